"""Whether every image of a stack shows something of its own.

Headers of images that a transfer or an export has blanked or copied are those of whole ones.
"""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import blake2b
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.cine.synchrony import slice_name
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import Message, joined, say
from cvai.errors import FileRefused, GeometryRefused

_CUT_OFF = 0.25
"""Share of the rows by which an image may end before most of the others do: where noise is suppressed outside
of the body slices differ by some, where they were resampled by a fifth, and the heart lies further up."""

_CORNER = 16
"""A corner is this part of the rows and columns."""

_BRIGHTER = 0.05
"""Share of all grey levels by which even the darkest corner of inverted images is brighter than the median of
their middle. In 99 ACDC hearts it is darker by 0.07 or more, also cut to 120 mm around the heart (0.11)."""

_RESEND = say("Look at the series in the archive, and send it again from where it was acquired.")


def check_content(stored: NDArray[np.number[Any]]) -> None:
    """Check (t, z, y, x) stored values; two acquisitions never give the same pixels, for their noise.

    Raises:
        FileRefused: ``blank_image``, an image has one value in all its pixels; ``image_cut_off``, it has
            one in each of its last rows and others have not.
        GeometryRefused: ``still_slice``, a slice shows one image in all phases, or ``copied_slice``, two
            slices show the same one.
    """
    n_phases, n_slices = stored.shape[:2]
    is_blank = stored.min(axis=(2, 3)) == stored.max(axis=(2, 3))
    if is_blank.any():
        z = int(is_blank.any(axis=0).argmax())
        message = say(
            "{n_blank} of {n_images} images hold one value in all their pixels: {slice_name} first.",
            n_blank=is_blank.sum(),
            n_images=is_blank.size,
            slice_name=_slice_name(z, n_slices),
        )
        raise FileRefused("blank_image", message, _RESEND)
    _check_ends(stored)
    shown: dict[Hashable, int] = {}
    for z in range(n_slices):
        images = set(_digests(stored[:, z]))
        if n_phases > 1 and len(images) == 1:
            message = say(
                "{slice_name} shows one image in all {n_phases} phases.",
                slice_name=_slice_name(z, n_slices),
                n_phases=n_phases,
            )
            raise GeometryRefused("still_slice", message, _RESEND)
        copied = next((shown[image] for image in images if image in shown), None)
        if copied is not None:
            message = say(
                "{slice_name} shows the pixels of slice {copied}.",
                slice_name=_slice_name(z, n_slices),
                copied=copied + 1,
            )
            raise GeometryRefused("copied_slice", message, _RESEND)
        shown |= dict.fromkeys(images, z)


def repeated_phase_findings(stored: NDArray[np.number[Any]]) -> list[Finding]:
    """Say which phases of (t, z, y, x) stored values are copies of others.

    In single slices a scanner may show a phase twice, and the last may repeat the first to close the loop; in
    most slices an export has written one phase in the place of another.
    """
    n_phases, n_slices = stored.shape[:2]
    by_slice = [_digests(stored[:, z]) for z in range(n_slices)]
    copies = [
        (first, second)
        for first, second in combinations(range(n_phases), 2)
        if (first, second) != (0, n_phases - 1)
        and 2 * sum(images[first] == images[second] for images in by_slice) > n_slices
    ]
    if not copies:
        return []
    message = say(
        "Phases {pairs} show the same pixels in most slices: phases may have been lost, end-systole among "
        "them, and ejection fractions be too low. Send the series again from where it was acquired.",
        pairs=joined(", ", (say("{first} and {second}", first=a + 1, second=b + 1) for a, b in copies)),
    )
    places = tuple(Place(phase=t) for t in sorted({t for pair in copies for t in pair}))
    return [Finding("phases_repeated", Severity.WARNING, message, places)]


def _digests(images: NDArray[np.number[Any]]) -> list[bytes]:
    """What tells (n, y, x) images apart."""
    return [blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]


def check_grey(images: NDArray[np.float32]) -> None:
    """Check (z, y, x) intensities: the air around a body is darker than what lies in the middle.

    Raises:
        FileRefused: ``grey_inverted``.
    """
    _, rows, columns = images.shape
    h, w = max(1, rows // _CORNER), max(1, columns // _CORNER)
    corners = (images[:, y, x] for y in (slice(h), slice(-h, None)) for x in (slice(w), slice(-w, None)))
    middle = np.median(images[:, rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4])
    low, high = np.percentile(images, (1, 99))
    if min(np.median(corner) for corner in corners) - middle > _BRIGHTER * (high - low):
        raise FileRefused(
            "grey_inverted",
            say("The corners of the images are brighter than their middle: air is dark in MR."),
            say("Correct PhotometricInterpretation, or send the images as they were acquired."),
        )


def _check_ends(stored: NDArray[np.number[Any]]) -> None:
    """An image that was cut off in transfer is filled up at its end, which is its lower part."""
    is_flat = stored.min(axis=3) == stored.max(axis=3)  # (t, z, y)
    n_flat = np.cumprod(is_flat[..., ::-1], axis=2).sum(axis=2)  # (t, z) rows at the bottom
    is_cut = n_flat - np.median(n_flat) > _CUT_OFF * stored.shape[2]
    if is_cut.any():
        z = int(is_cut.any(axis=0).argmax())
        message = say(
            "{n_cut} of {n_images} images end after part of their rows, and hold one value in each of the "
            "others: {slice_name} first.",
            n_cut=is_cut.sum(),
            n_images=is_cut.size,
            slice_name=_slice_name(z, stored.shape[1]),
        )
        raise FileRefused("image_cut_off", message, _RESEND)


def _slice_name(z: int, n_slices: int) -> Message:
    return slice_name(z, range(n_slices))
