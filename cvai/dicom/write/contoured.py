"""Images with the contours drawn on them, for objects that any viewer shows without knowing segmentations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.coding import Code
from skimage.measure import find_contours

from cvai.dicom.read.values import ImagePlane
from cvai.dicom.write.codes import ANATOMICAL_STRUCTURE, CardiacPhase
from cvai.domain.segmentation import apex_comes_first

Outline = NDArray[np.float64]
"""(n, 2) points (column, row) of a closed line; the top left corner of the image is (0, 0), as in SCOORD."""


@dataclass(frozen=True, slots=True)
class Contour:
    """A line around the pixels of some labels.

    Args:
        name: for readers.
        labels: of the pixels within it.
        code: the structure that it bounds.
        rgb: 0..255.
        category: of the structure, one of CID 7150.
    """

    name: str
    labels: tuple[int, ...]
    code: Code
    rgb: tuple[int, int, int]
    category: Code = ANATOMICAL_STRUCTURE

    def outlines(self, labels: NDArray[np.uint8]) -> tuple[Outline, ...]:
        """Outer and inner lines in a (y, x) frame; the border of the image closes them too."""
        inside = np.pad(np.isin(labels, self.labels), 1)
        if not inside.any():
            return ()
        # Padding shifts indices by one, and a pixel's centre lies half a pixel from its corner.
        return tuple(line[:, ::-1] - 0.5 for line in find_contours(inside.astype(float), 0.5))


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A phase that numbers come from.

    Args:
        t: 0-based.
        title: for readers.
        phase: of the cardiac cycle, None where it is not one of these.
    """

    t: int
    title: str
    phase: CardiacPhase | None = None


@dataclass(frozen=True, slots=True, eq=False)
class KeyOutline:
    """A line on one image; no two of an analysis have one name."""

    name: str
    contour: Contour
    frame: KeyFrame
    plane: ImagePlane
    outline: Outline


@dataclass(frozen=True, slots=True, eq=False)
class ContouredImages:
    """A stack or a loop with its contours.

    Args:
        name: tells it from others of the analysis; part of the kind of objects.
        title: for readers.
        planes: (t)(z) source images.
        labels: (t, z, y, x) on their pixels.
        grey: (y, x) brightness 0..255 of the frame (t, z).
        contours: those on top last.
        key_frames: in order of time; the first phase where there is no other.
        cut: rows and columns that pictures show.
        spacing_mm: between rows and between columns; None where it is unknown and pixels are shown square.
        times_ms: (t,) time of every phase, None where it is unknown.
        window: stored values of the frame (t, z) that are shown as black and as white; None for all.

    Raises:
        ValueError: sources and labels differ in number, or there is no key frame.
    """

    name: str
    title: str
    planes: tuple[tuple[ImagePlane, ...], ...]
    labels: NDArray[np.uint8]
    grey: Callable[[int, int], NDArray[np.uint8]]
    contours: tuple[Contour, ...]
    key_frames: tuple[KeyFrame, ...]
    cut: tuple[slice, slice] = (slice(None), slice(None))
    spacing_mm: tuple[float, float] | None = None
    times_ms: NDArray[np.float64] | None = None
    window: Callable[[int, int], tuple[float, float]] | None = None

    def __post_init__(self) -> None:
        if (len(self.planes), len(self.planes[0])) != self.labels.shape[:2]:
            raise ValueError(f"{len(self.planes)} phases of images, labels of shape {self.labels.shape}")
        if not self.key_frames or not all(0 <= frame.t < len(self.labels) for frame in self.key_frames):
            raise ValueError(f"key frames {self.key_frames} of {len(self.labels)} phases")

    @property
    def is_loop(self) -> bool:
        """Whether there is more than one phase."""
        return len(self.labels) > 1

    @property
    def slices(self) -> tuple[int, ...]:
        """Slices in which something is labelled in any phase, from base to apex; all where nothing is."""
        return self._marked(range(len(self.labels)))

    @property
    def key_slices(self) -> tuple[int, ...]:
        """The same of the key frames."""
        return self._marked([frame.t for frame in self.key_frames])

    def _marked(self, phases: Sequence[int]) -> tuple[int, ...]:
        marked = np.any([self.labels[t].any(axis=(1, 2)) for t in phases], axis=0)
        found = np.flatnonzero(marked) if marked.any() else np.arange(len(marked))
        is_reversed = apex_comes_first(self.labels[self.key_frames[0].t])
        return tuple(int(z) for z in (found[::-1] if is_reversed else found))

    def key_outlines(self) -> Iterator[KeyOutline]:
        """Every line in the key frames, from base to apex."""
        for frame, z in product(self.key_frames, self.key_slices):
            place = f"slice {z + 1}" if self.labels.shape[1] > 1 else self.title
            for contour in self.contours:
                for part, outline in enumerate(contour.outlines(self.labels[frame.t, z]), start=1):
                    part_name = f"part {part}" if part > 1 else ""
                    named = (contour.name, frame.title.lower(), place, part_name)
                    name = ", ".join(filter(None, named))
                    yield KeyOutline(name, contour, frame, self.planes[frame.t][z], outline)


def scaled_grey(intensities: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """Brightness 0..255 of intensities, black at ``low`` and white at ``high``.

    >>> scaled_grey(np.array([0.0, 50.0, 300.0], np.float32), 0.0, 100.0).tolist()
    [0, 127, 255]
    """
    share = (intensities - low) / max(high - low, 1e-6)
    return np.asarray(np.clip(share, 0.0, 1.0) * 255, dtype=np.uint8)
