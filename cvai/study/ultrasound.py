"""Ultrasound loops of a study: which can be analysed, and their frames freed from the writing around them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels

from cvai.errors import FileRefused, HeartRefused
from cvai.heart.findings import Finding
from cvai.heart.loop import EchoLoop
from cvai.heart.sector import sector_of_loop
from cvai.study.calibration import COLOUR_FLOW, M_MODE, SPECTRAL, calibration_of, frame_times_ms, regions_of
from cvai.study.header import texts, whole_number
from cvai.study.parts import series_uid_of
from cvai.study.pixels import PIXEL_ERRORS
from cvai.study.tolerance import tolerating_values
from cvai.study.values import CineNotFound, ImagePlane, Images, PassedOver, Series, Study

MIN_FRAMES = 8
"""Fewer frames do not show a heartbeat."""

LARGEST_LOOP_BYTES = 4 * 1024**3
"""Decoded, all channels; the longest stress echo loops stay below a quarter of it."""

_COLOURED = 40
"""Difference of the channels, in grey levels, above which a pixel is coloured."""

_COLOURED_SHARE = 0.01
"""Of the sector; colour Doppler fills more, a tinted marker less."""

_HEART_RATES_BPM = (20.0, 250.0)


@dataclass(frozen=True, slots=True, eq=False)
class LoopSelection:
    """The loops of a study that may show an apical view.

    Args:
        loops: frames of each, in order.
        passed_over: everything else, with reasons.
    """

    loops: tuple[Images, ...]
    passed_over: tuple[PassedOver, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AssembledLoop:
    """A loop that will be analysed, with the source of every frame.

    Args:
        series_uid: its SeriesInstanceUID.
        loop: frames, sector, size of a pixel, times.
        images: (t,) source of every frame.
        findings: what a reader should know about the input.
    """

    series_uid: str
    loop: EchoLoop
    images: Images
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        if len(self.images) != self.loop.n_frames:
            raise ValueError(f"{len(self.images)} source images for {self.loop.n_frames} frames")


def holds_ultrasound(study: Study) -> bool:
    """Whether a study is one of ultrasound: it has such images, and no MR."""
    modalities = {series.modality for series in study.series if series.planes}
    return "US" in modalities and "MR" not in modalities


def select_loops(study: Study) -> LoopSelection:
    """Find the grey-scale loops of a study, whatever they show.

    Raises:
        CineNotFound: ``no_loop``, there is none.
        FileRefused: the only loops are too large or damaged.
    """
    loops: list[Images] = []
    passed_over: list[PassedOver] = []
    for series in study.series:
        for images in _instances(series):
            reason = _unsuitable(series, images)
            if reason is None:
                loops.append(images)
            else:
                passed_over.append(PassedOver(series.series_uid, reason))
    if not loops:
        raise _no_loop(study, passed_over)
    return LoopSelection(tuple(loops), tuple(passed_over))


def assemble_loop(images: Images) -> AssembledLoop:
    """Decode a loop, turn it grey, find its sector and blacken everything else.

    Raises:
        FileRefused: ``loop_too_large``, a known defect, or ``pixel_data_unreadable``.
        GeometryRefused: ``frame_time_missing`` or ``pixels_not_square``.
        HeartRefused: ``sector_not_found`` or ``colour_doppler``.
    """
    header = images[0].header
    times_ms = frame_times_ms(header, len(images))
    frames, colour = _decoded(images)
    sector = sector_of_loop(frames)
    if not sector.any():
        raise HeartRefused(
            "sector_not_found",
            f"Nothing moves in the {len(images)} frames: no ultrasound sector was found.",
            "Check that the loop shows a beating heart.",
        )
    if float(colour[sector].mean()) > _COLOURED_SHARE:
        raise HeartRefused(
            "colour_doppler",
            f"{100 * float(colour[sector].mean()):.0f} % of the sector is coloured: this is Doppler.",
            "Send the loop in grey scale.",
        )
    calibration = calibration_of(header, sector)
    loop = EchoLoop(frames * sector, sector, calibration.spacing_mm, times_ms, _heart_rate_bpm(images[0]))
    return AssembledLoop(series_uid_of(images[0]), loop, images, calibration.findings)


def _instances(series: Series) -> list[Images]:
    by_instance: dict[str, list[ImagePlane]] = defaultdict(list)
    for plane in series.planes:
        by_instance[plane.sop_instance_uid].append(plane)
    return [tuple(planes) for planes in by_instance.values()]


def _unsuitable(series: Series, images: Images) -> str | None:
    """Why an instance is out of the question; None where its frames have to be looked at."""
    if series.modality != "US":
        return f"not an ultrasound series (modality {series.modality or 'not stated'})"
    if len(images) == 1:
        return "a still image"
    if len(images) < MIN_FRAMES:
        return f"{len(images)} frames: too few for a heartbeat"
    regions = regions_of(images[0].header)
    if any(region.spatial_format in (M_MODE, SPECTRAL) for region in regions):
        return "M-mode or spectral Doppler"
    if any(region.data_type == COLOUR_FLOW for region in regions):
        return "colour Doppler"
    return None


def _no_loop(study: Study, passed_over: Sequence[PassedOver]) -> CineNotFound | FileRefused:
    if study.unreadable:
        return study.unreadable[0]
    seen = "; ".join(dict.fromkeys(p.reason for p in passed_over)) or "it holds no images"
    return CineNotFound(
        "no_loop",
        f"The study holds no grey-scale loop of a heartbeat; seen: {seen}.",
        "Send apical four- and two-chamber loops in grey scale.",
        tuple(passed_over),
    )


def _decoded(images: Images) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(t, y, x) brightness, and (y, x) share of the frames in which a pixel is coloured."""
    _check_size(images)
    first = images[0]
    frames = np.empty((len(images), first.rows, first.columns), dtype=np.uint8)
    coloured = np.zeros((first.rows, first.columns), dtype=np.float32)
    try:
        with tolerating_values():
            for frame, values in zip(frames, iter_pixels(first.path, raw=True), strict=True):
                frame[...], is_coloured = _grey(values, first.header)
                coloured += is_coloured
    except PIXEL_ERRORS as error:
        raise _unreadable(first, type(error).__name__) from error
    return frames, coloured / np.float32(len(images))


def _check_size(images: Images) -> None:
    first = images[0]
    samples = whole_number(first.header, "SamplesPerPixel") or 1
    n_bytes = len(images) * first.rows * first.columns * samples
    if n_bytes > LARGEST_LOOP_BYTES:
        raise FileRefused(
            "loop_too_large",
            f"The loop declares {len(images)} frames of {first.columns} x {first.rows} pixels: "
            f"{n_bytes / 1024**3:.0f} GiB.",
            "Send the loop as the ultrasound machine stored it.",
        )
    defect = next((image.defect for image in images if image.defect is not None), None)
    if defect is not None:
        raise defect


def _grey(values: NDArray[np.generic], header: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(y, x) brightness of one frame, and where it is coloured.

    Brightness of RGB is a quarter of red, five eighths of green and an eighth of blue, close to ITU-R BT.601.
    """
    interpretation = texts(header, "PhotometricInterpretation")
    if interpretation == ("PALETTE COLOR",):
        values = apply_color_lut(values, header)
        values = values // 256 if values.dtype.itemsize > 1 else values
    if values.ndim == 3:
        first, second, third = (values[..., channel].astype(np.int16) for channel in range(3))
        if interpretation[0].startswith("YBR"):
            spread = np.maximum(np.abs(second - 128), np.abs(third - 128)) * 2
            return first.astype(np.uint8), spread > _COLOURED
        low, high = np.minimum(first, second), np.maximum(first, second)
        spread = np.maximum(high, third) - np.minimum(low, third)
        return ((first * 2 + second * 5 + third) // 8).astype(np.uint8), spread > _COLOURED
    bits = whole_number(header, "BitsStored") or 8
    grey = (values.astype(np.float32) * (255.0 / (2**bits - 1))).clip(0, 255).astype(np.uint8)
    if interpretation == ("MONOCHROME1",):
        grey = 255 - grey
    return grey, np.zeros(grey.shape, dtype=np.bool_)


def _unreadable(image: ImagePlane, how: str) -> FileRefused:
    return FileRefused(
        "pixel_data_unreadable",
        f"The pixels of instance {image.sop_instance_uid} cannot be decoded ({how}).",
        "Send the instance again, uncompressed if possible.",
    )


def _heart_rate_bpm(image: ImagePlane) -> float | None:
    rate = image.heart_rate_bpm
    return rate if rate is not None and _HEART_RATES_BPM[0] <= rate <= _HEART_RATES_BPM[1] else None
