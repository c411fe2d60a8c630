"""How large a pixel is in the plane of the vessels, believed only where it holds.

ImagerPixelSpacing is that of the detector; the heart lies between it and the source and is magnified. Only a
calibration by an object of known size or the magnification at the isocentre gives millimetres.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom import Dataset

from cvai.dicom.read.angiography.attributes import of_frame
from cvai.dicom.read.header.attributes import number, numbers, texts, whole_number
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import Message, say
from cvai.domain.vessels.run import PixelSize
from cvai.errors import GeometryRefused

FIDUCIAL_UNCERTAINTY = 0.05
"""Of a calibration on the catheter: its stated size and its edges."""
ISOCENTRE_UNCERTAINTY = 0.07
"""A vessel lies up to 5 cm before or behind the isocentre, which is some 75 cm from the source."""

_PIXELS_MM = (0.05, 0.6)
_MAGNIFICATIONS = (1.05, 2.5)
"""A detector touches the patient at best: a factor of 1 is what machines write that know none."""
_SQUARE = 0.02
_AGREE = 0.05
_APART = 1.25
"""Ratio of two sizes beyond which one is wrong: a catheter and the isocentre are closer to each other."""

_RESIZED = 1.7
"""Ratio of the widths of picture and field of view: a field stated by its diagonal is 1.4 wider, one of half
the pixels twice."""


def pixel_size(header: Dataset) -> tuple[PixelSize | None, tuple[Finding, ...]]:
    """The size of a pixel at the vessels, and why there is none or how sure it is.

    Raises:
        GeometryRefused: ``pixels_not_square``, no ratio across the picture holds then.
    """
    imager = _pair(of_frame(header, "FramePixelDataPropertiesSequence"), "ImagerPixelSpacing")
    for pair in (imager, _pair(header, "PixelSpacing"), numbers(header, "PixelAspectRatio")):
        if pair and len(pair) == 2 and abs(pair[0] - pair[1]) > _SQUARE * max(pair):
            raise GeometryRefused(
                "pixels_not_square",
                say("The pixels are stated as {height:g} x {width:g}.", height=pair[0], width=pair[1]),
                say("Send the run as the angiography system stored it."),
            )
    contradiction = _contradiction(header) or _resized(header, imager)
    if contradiction is not None:
        return None, (_withheld("calibration_ambiguous", contradiction),)
    sizes = tuple(_sizes(header, imager))
    if (apart := _apart(sizes)) is not None:
        return None, (_withheld("calibration_ambiguous", apart),)
    for size in sizes:
        if not _PIXELS_MM[0] <= size.mm <= _PIXELS_MM[1]:
            reason = say("{source} gives {size_mm:.3g} mm a pixel", source=size.source, size_mm=size.mm)
            return None, (_withheld("calibration_implausible", reason),)
        if imager is not None and not _MAGNIFICATIONS[0] <= imager[0] / size.mm <= _MAGNIFICATIONS[1]:
            reason = say(
                "{source} gives a magnification of {factor:.2f} from the heart to the detector",
                source=size.source,
                factor=imager[0] / size.mm,
            )
            return None, (_withheld("calibration_ambiguous", reason),)
        return size, (_stated(size),)
    reason = say("neither a calibrated size of a pixel nor its magnification is stated")
    return None, (_withheld("calibration_missing", reason),)


def _sizes(header: Dataset, imager: tuple[float, ...] | None) -> Iterator[PixelSize]:
    """What is stated, the most reliable first."""
    spacing, kind = _pair(header, "PixelSpacing"), texts(header, "PixelSpacingCalibrationType")
    if spacing is not None and "FIDUCIAL" in kind:
        yield PixelSize(spacing[0], FIDUCIAL_UNCERTAINTY, say("a calibration by an object of known size"))
    if spacing is not None and spacing != imager and "FIDUCIAL" not in kind:
        yield PixelSize(spacing[0], ISOCENTRE_UNCERTAINTY, say("PixelSpacing, corrected by geometry"))
    of_object = _pair(
        of_frame(header, "ProjectionPixelCalibrationSequence"), "ObjectPixelSpacingInCenterOfBeam"
    )
    if of_object is not None:
        yield PixelSize(of_object[0], ISOCENTRE_UNCERTAINTY, "ObjectPixelSpacingInCenterOfBeam")
    factor = _stated_factor(header) or _factor_of_distances(header)
    if imager is not None and factor is not None and _MAGNIFICATIONS[0] <= factor <= _MAGNIFICATIONS[1]:
        source = say(
            "detector pixels of {detector_mm:g} mm over the magnification {factor:.2f} at the isocentre",
            detector_mm=imager[0],
            factor=factor,
        )
        yield PixelSize(imager[0] / factor, ISOCENTRE_UNCERTAINTY, source)


def _contradiction(header: Dataset) -> Message | None:
    stated, computed = _stated_factor(header), _factor_of_distances(header)
    if stated is None or computed is None or abs(stated - computed) <= _AGREE * computed:
        return None
    if not _MAGNIFICATIONS[0] <= stated <= _MAGNIFICATIONS[1]:
        return None  # not used either
    return say(
        "a magnification of {stated:.2f} is stated, and distances that give {computed:.2f}",
        stated=stated,
        computed=computed,
    )


def _resized(header: Dataset, imager: tuple[float, ...] | None) -> Message | None:
    """What detector and picture say, where one is much wider than the other: an export has resized it."""
    of_detector = of_frame(header, "FieldOfViewSequence")
    field_mm = numbers(of_detector, "FieldOfViewDimensions") or numbers(
        of_detector, "FieldOfViewDimensionsInFloat"
    )
    columns = whole_number(header, "Columns")
    if imager is None or not field_mm or not columns or max(field_mm) <= 0:
        return None
    across_mm = imager[1] * columns
    if 1 / _RESIZED < across_mm / max(field_mm) < _RESIZED:
        return None
    return say(
        "{columns} columns of {detector_mm:g} mm are {across_mm:.0f} mm, and a field of view of "
        "{field_mm:.0f} mm is stated",
        columns=columns,
        detector_mm=imager[1],
        across_mm=across_mm,
        field_mm=max(field_mm),
    )


def _apart(sizes: Sequence[PixelSize]) -> Message | None:
    """What two sizes of a pixel say, where they are further apart than any calibration from another."""
    low, high = min(sizes, key=lambda s: s.mm, default=None), max(sizes, key=lambda s: s.mm, default=None)
    if low is None or high is None or high.mm <= _APART * low.mm:
        return None
    return say(
        "{one} gives {one_mm:.3g} mm a pixel, and {other} {other_mm:.3g} mm",
        one=low.source,
        one_mm=low.mm,
        other=high.source,
        other_mm=high.mm,
    )


def _stated_factor(header: Dataset) -> float | None:
    return (
        number(of_frame(header, "XRayGeometrySequence"), "EstimatedRadiographicMagnificationFactor") or None
    )


def _factor_of_distances(header: Dataset) -> float | None:
    source = of_frame(header, "XRayGeometrySequence")
    detector_mm = number(source, "DistanceSourceToDetector")
    centre_mm = number(source, "DistanceSourceToIsocenter", "DistanceSourceToPatient")
    if detector_mm is None or centre_mm is None or not 0 < centre_mm < detector_mm:
        return None
    return detector_mm / centre_mm


def _pair(source: Dataset, keyword: str) -> tuple[float, ...] | None:
    values = numbers(source, keyword)
    return values if values is not None and len(values) == 2 and min(values) > 0 else None


def _withheld(code: str, reason: Message) -> Finding:
    message = say(
        "Diameters and lengths in mm are withheld: {reason}. Percent stenosis is a ratio and holds.",
        reason=reason,
    )
    return Finding(code, Severity.WITHHELD, message)


def _stated(size: PixelSize) -> Finding:
    message = say(
        "Millimetres are from {source}: {size_mm:.3f} mm a pixel, off by up to {percent:.0f} %.",
        source=size.source,
        size_mm=size.mm,
        percent=100 * size.uncertainty,
    )
    return Finding("calibration_source", Severity.INFO, message)
