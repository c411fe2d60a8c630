"""Step 1, images: those of a study that may be of a cine, and what their headers say of their kind."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from cvai.dicom.read.cine.placement import is_placed
from cvai.dicom.read.header.attributes import items, number, texts, whole_number
from cvai.dicom.read.pixels.frames import frame_attributes
from cvai.dicom.read.values import Component, Excluded, ImagePlane, Images, Series, Study
from cvai.domain.message import say

_NAMES = ("SequenceName", "PulseSequenceName", "ProtocolName", "SeriesDescription")
_TAGGED = re.compile(r"(?<![A-Z])(TAG|TAGGING|TAGGED|C?SPAMM)(?![A-Z])")
_MADE = frozenset(
    ("SECONDARY", "SUBTRACTION", "SUB", "MPR", "REFORMATTED", "MIP", "MINIP", "PROJECTION IMAGE")
)
"""Values of ImageType of images that were made from others and show something else than a slice does."""


@dataclass(frozen=True, slots=True, eq=False)
class StudyImages:
    """The MR images of a study that show anatomy.

    Series hold these images only; those that have none are unsuitable.
    """

    series: tuple[Series, ...]
    unsuitable: tuple[Excluded, ...]

    @property
    def unplaced(self) -> Images:
        """Those whose headers do not tell where they lie."""
        return tuple(plane for series in self.series for plane in unplaced_of(series))


def images_of(study: Study) -> StudyImages:
    """The images that have to be looked at, and why the other series do not."""
    suitable, unsuitable = [], []
    for series in study.series:
        usable = tuple(plane for plane in series.planes if _shows_anatomy(plane))
        reason = _unsuitable(series, usable)
        if reason is None:
            suitable.append(replace(series, planes=usable))
        else:
            unsuitable.append(Excluded(series.series_uid, reason))
    return StudyImages(tuple(suitable), tuple(unsuitable))


def unplaced_of(series: Series) -> Images:
    """Images of a series whose headers do not tell where they lie."""
    return tuple(plane for plane in series.planes if not is_placed(plane))


def _unsuitable(series: Series, usable: Images) -> str | None:
    """Why a whole series is out of the question; None where its images have to be looked at."""
    if series.modality != "MR":
        return say("not an MR series (modality {modality})", modality=series.modality or say("not stated"))
    if not series.planes:
        return say("no images")
    if all(is_localizer(plane) for plane in series.planes):
        return say("localizer")
    return None if usable else say("phase, velocity, phase-sensitive or colour images, no magnitudes")


def _shows_anatomy(plane: ImagePlane) -> bool:
    is_grey = (whole_number(plane.header, "SamplesPerPixel") or 1) == 1
    return is_grey and not is_localizer(plane) and plane.component in (None, Component.MAGNITUDE)


def is_localizer(plane: ImagePlane) -> bool:
    """Whether ImageType calls it a localizer."""
    return "LOCALIZER" in texts(plane.header, "ImageType")


def is_same_kind(first: ImagePlane, second: ImagePlane) -> bool:
    """Whether two images share pixel grid, pulse sequence and processing.

    That is ScanningSequence, echo time within a fifth, MRAcquisitionType, the component of the signal,
    contrast agent, and whether pixels are original or derived. Single-frame and enhanced instances state
    these in attributes of their own: between the two, what one of them does not state tells nothing.
    """
    is_across = first.sop_class_uid != second.sop_class_uid

    def agree(one: object, other: object) -> bool:
        return one == other or (is_across and (not one or not other))

    echo_times_ms = echo_time_ms(first), echo_time_ms(second)
    return (
        has_same_grid(first, second)
        and all(
            agree(texts(first.header, k), texts(second.header, k))
            for k in ("ScanningSequence", "MRAcquisitionType")
        )
        and (_is_near(*echo_times_ms, share=0.2) or (is_across and None in echo_times_ms))
        and agree(first.component, second.component)
        and has_contrast(first) == has_contrast(second)
        and is_derived(first) == is_derived(second)
    )


def echo_time_ms(plane: ImagePlane) -> float | None:
    """EffectiveEchoTime of a frame, or EchoTime; None where neither is stated."""
    echo = frame_attributes(plane.header, plane.frame_number, "MREchoSequence")
    return number(echo, "EffectiveEchoTime", "EchoTime") or number(plane.header, "EchoTime")


def is_derived(plane: ImagePlane) -> bool:
    """Whether pixels were made from other images (ImageType value 1, PS3.3 C.7.6.1.1.2)."""
    return texts(plane.header, "ImageType")[:1] == ("DERIVED",)


def is_annotated(plane: ImagePlane) -> bool:
    """Whether something is burnt into the pixels, or they were made by reading software, as differences,
    projections or other cuts of what was acquired."""
    is_made = is_derived(plane) and not _MADE.isdisjoint(texts(plane.header, "ImageType"))
    return is_made or texts(plane.header, "BurnedInAnnotation") == ("YES",)


def is_prepared(plane: ImagePlane) -> bool:
    """Whether tags or an inversion were laid over the image: Tagging (PS3.3 C.8.13.5.7), ScanningSequence,
    InversionTime, or the name of the sequence."""
    header = plane.header
    names = " ".join(text for keyword in _NAMES for text in texts(header, keyword))
    is_tagged = any(t != "NONE" for t in texts(header, "Tagging")) or bool(_TAGGED.search(names))
    return is_tagged or "IR" in texts(header, "ScanningSequence") or bool(number(header, "InversionTime"))


def is_spoiled(plane: ImagePlane) -> bool:
    """Whether transverse magnetisation is spoiled, as where flow, perfusion or tags are imaged:
    SequenceVariant of SP without SS, or Spoiling (PS3.3 C.8.13.4)."""
    variant, spoiling = texts(plane.header, "SequenceVariant"), texts(plane.header, "Spoiling")
    is_steady = "SS" in variant or texts(plane.header, "SteadyStatePulseSequence")[:1] == ("FREE_PRECESSION",)
    return not is_steady and ("SP" in variant or any(word != "NONE" for word in spoiling))


def has_contrast(plane: ImagePlane) -> bool:
    """Whether a contrast agent had been given (PS3.3 C.7.6.4)."""
    return bool(
        texts(plane.header, "ContrastBolusAgent") or items(plane.header, "ContrastBolusAgentSequence")
    )


def has_same_grid(first: ImagePlane, second: ImagePlane) -> bool:
    """Whether two images have the same matrix and, within a thousandth, the same pixel spacing."""
    if (first.rows, first.columns) != (second.rows, second.columns):
        return False
    spacings = zip(first.spacing_mm or (), second.spacing_mm or (), strict=True)
    return all(_is_near(a, b, share=1e-3) for a, b in spacings)


def _is_near(first: float | None, second: float | None, share: float) -> bool:
    if first is None or second is None:
        return first is second
    return abs(first - second) <= share * max(abs(first), abs(second))
