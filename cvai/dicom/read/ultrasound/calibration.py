"""How large a pixel of an ultrasound image is: SequenceOfUltrasoundRegions, believed only where it holds.

A region that is wrong anywhere is believed nowhere: PhysicalDelta is all that turns pixels into millilitres,
and real loops carry boxes of another matrix, uncalibrated regions around the image, and negative deltas.
Exports resize frames and keep what the header says of their pixels: then the sector leaves its box, or
contradicts the proportions that are stated (cvai.dicom.read.ultrasound.contradictions).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cvai.dicom.read.header.attributes import number, whole_number
from cvai.dicom.read.ultrasound.contradictions import contradiction, contradicts_aspect, depth_mm
from cvai.domain.echo.sector import pixel_aspect
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import Message, say
from cvai.errors import GeometryRefused

TWO_DIMENSIONAL, M_MODE, SPECTRAL = 1, 2, 3
"""RegionSpatialFormat, PS3.3 C.8.5.5.1.1."""

TISSUE, COLOUR_FLOW = 1, 2
"""RegionDataType, PS3.3 C.8.5.5.1.2."""

_CENTIMETRES = 3
"""PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15."""

_SQUARE = 0.02
"""Share by which the two sides of a pixel may differ and still be called equal."""

_PIXELS_MM = (0.05, 3.0)
"""Sides of a pixel outside this are no cardiac ultrasound."""


_DEPTHS_MM = (40.0, 400.0)
"""Depths of a sector outside this are no heart's, from a newborn's to the deepest that machines show."""

_MOSTLY = 0.5
"""Of the sector: the region that holds more of it is the sector's."""

_HELD_SHARE = 0.75
"""Of the sector that a box has to hold; of a frame that was enlarged it holds a quarter."""


@dataclass(frozen=True, slots=True)
class Region:
    """One item of SequenceOfUltrasoundRegions, as stated; None where it is not.

    ``box`` is (left, top, right, bottom), inclusive, though some machines write the first pixels beyond it;
    ``units`` are of (x, y), ``delta`` of (y, x).
    """

    spatial_format: int | None
    data_type: int | None
    box: tuple[int, int, int, int] | None
    units: tuple[int | None, int | None]
    delta: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known about the size of a pixel.

    Args:
        spacing_mm: (between rows, between columns), None where it cannot be believed.
        findings: why not.
    """

    spacing_mm: tuple[float, float] | None
    findings: tuple[Finding, ...]


def regions_of(header: Dataset) -> tuple[Region, ...]:
    """The regions an image states."""
    return tuple(_region(item) for item in header.get("SequenceOfUltrasoundRegions") or ())


def calibration_of(header: Dataset, sector: NDArray[np.bool_]) -> Calibration:
    """The size of a pixel in the sector.

    Args:
        header: of the image.
        sector: (y, x) where there is ultrasound.

    Raises:
        GeometryRefused: ``pixels_not_square``, the stated size cannot be believed, and says that the pixels
            are not square: then no ratio holds either.
    """
    regions = [r for r in regions_of(header) if r.spatial_format == TWO_DIMENSIONAL and r.data_type == TISSUE]
    if not regions:
        return _withheld("calibration_missing", say("no region of the image states the size of a pixel"))
    if len({r.delta for r in regions}) > 1:
        regions = [r for r in regions if _held_share(r, sector) > _MOSTLY]
        if len({r.delta for r in regions}) != 1:
            return _withheld("calibration_ambiguous", say("several regions state different sizes of a pixel"))
    return _of_region(max(regions, key=lambda r: _held_share(r, sector)), header, sector)


def _of_region(region: Region, header: Dataset, sector: NDArray[np.bool_]) -> Calibration:
    if region.delta is None or region.units != (_CENTIMETRES, _CENTIMETRES):
        return _withheld(
            "calibration_missing", say("the region of the image is not calibrated in centimetres")
        )
    delta_y_cm, delta_x_cm = region.delta
    spacing_mm = (delta_y_cm * 10.0, delta_x_cm * 10.0)
    doubt, looks_square = _doubt(region, sector), False
    if doubt is None:
        aspect = pixel_aspect(sector)
        looks_square = aspect is not None and not contradicts_aspect(aspect, 1.0)
        doubt = contradiction(header, sector, spacing_mm, aspect)
    if doubt is not None:
        if not looks_square and abs(abs(delta_y_cm) - abs(delta_x_cm)) > _SQUARE * abs(delta_y_cm):
            raise GeometryRefused(
                "pixels_not_square",
                say(
                    "The pixels are stated as {delta_x_cm:g} x {delta_y_cm:g} cm, which cannot be believed: "
                    "{reason}.",
                    delta_x_cm=delta_x_cm,
                    delta_y_cm=delta_y_cm,
                    reason=doubt[1],
                ),
                say("Send the loop as the ultrasound machine stored it."),
            )
        return _withheld(*doubt)
    return Calibration(spacing_mm, ())


def _doubt(region: Region, sector: NDArray[np.bool_]) -> tuple[str, Message] | None:
    """Code and reason why a calibrated region is not believed."""
    return _box_doubt(region, sector) or _size_doubt(region, sector)


def _box_doubt(region: Region, sector: NDArray[np.bool_]) -> tuple[str, Message] | None:
    rows, columns = sector.shape
    if region.box is None:
        return "calibration_outside_frame", say("its region has no box")
    left, top, right, bottom = region.box
    if not (0 <= left < right <= columns and 0 <= top < bottom <= rows):
        box = say(
            "columns {left} to {right} and rows {top} to {bottom}",
            left=left,
            right=right,
            top=top,
            bottom=bottom,
        )
        return (
            "calibration_outside_frame",
            say(
                "its region spans {box} of a frame of {columns} x {rows} pixels",
                box=box,
                columns=columns,
                rows=rows,
            ),
        )
    if _held_share(region, sector) < _HELD_SHARE:
        return "calibration_outside_frame", say("its region holds only a part of the sector")
    return None


def _size_doubt(region: Region, sector: NDArray[np.bool_]) -> tuple[str, Message] | None:
    delta_y_cm, delta_x_cm = region.delta or (0.0, 0.0)
    if delta_y_cm <= 0 or delta_x_cm <= 0:
        return "calibration_negative", say(
            "a pixel is stated as {delta_x_cm:.4g} x {delta_y_cm:.4g} cm",
            delta_x_cm=delta_x_cm,
            delta_y_cm=delta_y_cm,
        )
    if not all(_PIXELS_MM[0] <= delta * 10 <= _PIXELS_MM[1] for delta in (delta_y_cm, delta_x_cm)):
        return "calibration_implausible", say(
            "a pixel is stated as {delta_x_cm:.4g} x {delta_y_cm:.4g} cm",
            delta_x_cm=delta_x_cm,
            delta_y_cm=delta_y_cm,
        )
    sector_mm = depth_mm(sector, delta_y_cm * 10)
    if not _DEPTHS_MM[0] <= sector_mm <= _DEPTHS_MM[1]:
        return "calibration_implausible", say(
            "by its stated pixels the sector is {depth_mm:.0f} mm deep", depth_mm=sector_mm
        )
    return None


def _withheld(code: str, reason: Message) -> Calibration:
    message = say(
        "Volumes are withheld: {reason}. The ejection fraction is a ratio; it holds for square pixels.",
        reason=reason,
    )
    return Calibration(None, (Finding(code, Severity.WITHHELD, message),))


def _held_share(region: Region, sector: NDArray[np.bool_]) -> float:
    """Share of the sector that lies in the box of a region."""
    if region.box is None:
        return 0.0
    left, top, right, bottom = region.box
    inside = sector[max(top, 0) : bottom + 1, max(left, 0) : right + 1]
    return int(np.count_nonzero(inside)) / max(1, int(np.count_nonzero(sector)))


def _region(item: Dataset) -> Region:
    corners = [
        whole_number(item, f"RegionLocation{corner}") for corner in ("MinX0", "MinY0", "MaxX1", "MaxY1")
    ]
    left, top, right, bottom = corners
    box = None
    if left is not None and top is not None and right is not None and bottom is not None:
        box = (left, top, right, bottom)
    delta_y, delta_x = number(item, "PhysicalDeltaY"), number(item, "PhysicalDeltaX")
    return Region(
        spatial_format=whole_number(item, "RegionSpatialFormat"),
        data_type=whole_number(item, "RegionDataType"),
        box=box,
        units=(whole_number(item, "PhysicalUnitsXDirection"), whole_number(item, "PhysicalUnitsYDirection")),
        delta=None if delta_y is None or delta_x is None else (delta_y, delta_x),
    )
