"""How large a pixel of an ultrasound image is: SequenceOfUltrasoundRegions, believed only where it holds.

A region that is wrong anywhere is believed nowhere: PhysicalDelta is all that turns pixels into millilitres,
and real loops carry boxes of another matrix, uncalibrated regions around the image, and negative deltas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cvai.dicom.read.header.attributes import number, whole_number
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


@dataclass(frozen=True, slots=True)
class Region:
    """One item of SequenceOfUltrasoundRegions, as stated; None where it is not.

    ``box`` is (left, top, right, bottom), inclusive; ``units`` are of (x, y), ``delta`` of (y, x).
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
        regions = [r for r in regions if r.box is not None and _holds(r.box, sector)]
        if len({r.delta for r in regions}) != 1:
            return _withheld("calibration_ambiguous", say("several regions state different sizes of a pixel"))
    return _of_region(regions[0], sector)


def _of_region(region: Region, sector: NDArray[np.bool_]) -> Calibration:
    if region.delta is None or region.units != (_CENTIMETRES, _CENTIMETRES):
        return _withheld(
            "calibration_missing", say("the region of the image is not calibrated in centimetres")
        )
    delta_y_cm, delta_x_cm = region.delta
    doubt = _doubt(region, sector)
    if doubt is not None:
        if abs(abs(delta_y_cm) - abs(delta_x_cm)) > _SQUARE * abs(delta_y_cm):
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
    return Calibration((delta_y_cm * 10.0, delta_x_cm * 10.0), ())


def _doubt(region: Region, sector: NDArray[np.bool_]) -> tuple[str, Message] | None:
    """Code and reason why a calibrated region is not believed."""
    rows, columns = sector.shape
    if region.box is None:
        return "calibration_outside_frame", say("its region has no box")
    left, top, right, bottom = region.box
    if not (0 <= left < right < columns and 0 <= top < bottom < rows):
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
    depth_mm = float(np.count_nonzero(sector.any(axis=1))) * delta_y_cm * 10
    if not _DEPTHS_MM[0] <= depth_mm <= _DEPTHS_MM[1]:
        return "calibration_implausible", say(
            "by its stated pixels the sector is {depth_mm:.0f} mm deep", depth_mm=depth_mm
        )
    return None


def _withheld(code: str, reason: Message) -> Calibration:
    message = say(
        "Volumes are withheld: {reason}. The ejection fraction is a ratio; it holds for square pixels.",
        reason=reason,
    )
    return Calibration(None, (Finding(code, Severity.WITHHELD, message),))


def _holds(box: tuple[int, int, int, int], sector: NDArray[np.bool_]) -> bool:
    left, top, right, bottom = box
    inside = np.count_nonzero(sector[max(top, 0) : bottom + 1, max(left, 0) : right + 1])
    return bool(inside > 0.5 * np.count_nonzero(sector))


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
