"""Angiography runs of a study: which can be measured, and their frames with vessels dark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import (
    EnhancedXAImageStorage,
    EnhancedXRFImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from cvai.dicom.read.angiography.attributes import of_frame
from cvai.dicom.read.angiography.body_part import stated_elsewhere
from cvai.dicom.read.angiography.calibration import pixel_size
from cvai.dicom.read.angiography.field import background_spread, burnt_in_px, field_of, noise_share
from cvai.dicom.read.angiography.times import r_wave_frames, run_times
from cvai.dicom.read.angiography.views import (
    ROTATION_DEGREES,
    AngiographyView,
    rotation_degrees,
    stated_view,
    table_moves,
    turned_picture,
)
from cvai.dicom.read.header.attributes import items, number, texts, whole_number
from cvai.dicom.read.modality import modality_of
from cvai.dicom.read.pixels.decode import stored_pixels
from cvai.dicom.read.values import CineNotFound, Excluded, ImagePlane, Images, Study
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import joined, say
from cvai.domain.vessels.run import AngiographyRun
from cvai.errors import FileRefused, HeartRefused

MOST_FRAMES = 1000
"""Of one run; 30 seconds at 30 frames a second are 900."""

ANGIOGRAPHY_CLASSES = frozenset({XRayAngiographicImageStorage, EnhancedXAImageStorage})
_FLUOROSCOPY_CLASSES = frozenset({XRayRadiofluoroscopicImageStorage, EnhancedXRFImageStorage})
_SMALLEST_PX = 128
_LEAST_TEXT_PX = 60
"""A letter of twelve pixels has some 40."""
_LEAST_SPREAD = 0.06
"""Of a chest's brightness over its median; see ``background_spread``."""
_MOST_NOISE = 0.03
"""Of the brightness; see ``noise_share``. 100 images of ARCADE have up to 0.009."""
_LEAST_FIELD = 0.1
"""Of the frame; a narrower collimation shows no tree."""
_LOGARITHMIC = ("LOG", "DISP")
"""Pixel intensity relationships whose values are linear in absorption, or were made so for display."""


@dataclass(frozen=True, slots=True, eq=False)
class RunSelection:
    """The runs of a study that may show a coronary tree, in the order they were made."""

    runs: tuple[Images, ...]
    excluded: tuple[Excluded, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AssembledRun:
    """A run with its sources.

    Args:
        series_uid: of its series.
        run: its frames.
        images: (t,) source of every frame.
        view: from where it looks, None where the angles are not stated.
        plane: ``A`` or ``B`` of a biplane system, empty where there is one plane.
        findings: what a reader should know about the input.

    Raises:
        ValueError: the numbers of frames and images differ.
    """

    series_uid: str
    run: AngiographyRun
    images: Images
    view: AngiographyView | None
    plane: str
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        if len(self.images) != self.run.n_frames:
            raise ValueError(f"{len(self.images)} source images for {self.run.n_frames} frames")

    @property
    def name(self) -> str:
        """View and plane, for readers."""
        view = say("view not stated") if self.view is None else self.view.name
        return say("{view}, plane {plane}", view=view, plane=self.plane) if self.plane else view


def select_runs(study: Study) -> RunSelection:
    """Find the runs of a study, from headers alone.

    Raises:
        CineNotFound: ``no_run``, there is none.
        FileRefused: the only runs are damaged.
    """
    runs: list[Images] = []
    excluded: list[Excluded] = []
    for series in study.series:
        if not series.planes:
            excluded.append(
                Excluded(series.series_uid, say("no images (modality {modality})", modality=series.modality))
            )
        by_instance: dict[str, list[ImagePlane]] = defaultdict(list)
        for plane in series.planes:
            by_instance[plane.sop_instance_uid].append(plane)
        for images in by_instance.values():
            reason = _unsuitable(tuple(images))
            if reason is None:
                runs.append(tuple(images))
            else:
                excluded.append(Excluded(series.series_uid, reason))
    if not runs:
        raise _no_run(study, excluded)
    moving = [images for images in runs if len(images) > 1]
    if moving:  # a still is taken from a run, and is measured only where there is none
        excluded += [Excluded(r[0].series_uid, say("a still image beside runs")) for r in runs if len(r) == 1]
        runs = moving
    return RunSelection(tuple(sorted(runs, key=_order)), tuple(excluded))


def assemble_run(images: Images) -> AssembledRun:
    """Decode a run, turn vessels dark, and read what calibrates it.

    Raises:
        FileRefused: a known defect, ``pixel_data_unreadable`` or ``cine_too_large``.
        GeometryRefused: ``pixels_not_square``.
        HeartRefused: ``field_too_small``: hardly anything lies within the collimator.
    """
    header = images[0].header
    size, size_findings = pixel_size(header)
    times_ms, time_findings = run_times(header, len(images))
    frames, sign_is_stated = _dark_vessels(images)
    field = field_of(header, frames)
    if field.mean() < _LEAST_FIELD:
        raise HeartRefused(
            "field_too_small",
            say(
                "Only {percent:.0f} % of the frame lies within shutters and collimator.",
                percent=100 * float(field.mean()),
            ),
            say("Send runs that show the coronary tree."),
        )
    run = AngiographyRun(
        frames=frames,
        field=field,
        is_logarithmic=_relationship(header) in _LOGARITHMIC,
        pixel_size=size,
        times_ms=times_ms,
        r_waves=r_wave_frames(header, len(images), times_ms),
    )
    findings = (*size_findings, *time_findings, *_input_findings(header, len(images)))
    if burnt_in_px(frames, field) > _LEAST_TEXT_PX or "YES" in texts(header, "BurnedInAnnotation"):
        message = say("Text is burnt into the frames; it may hide a vessel or look like one.")
        findings = (*findings, Finding("burnt_in_text", Severity.WARNING, message))
    if background_spread(frames, field) < _LEAST_SPREAD:
        message = say(
            "The background has hardly any structure: the frames look subtracted, though the header does "
            "not say so. Diameters of subtracted vessels are not reliable, and motion makes false edges."
        )
        findings = (*findings, Finding("looks_subtracted", Severity.WARNING, message))
    if (noise := noise_share(frames, field)) > _MOST_NOISE:
        message = say(
            "Noise is {percent:.0f} % of the brightness: narrow vessels are measured too narrow, and "
            "stenoses too severe by 10 points and more.",
            percent=100 * noise,
        )
        findings = (*findings, Finding("angiogram_noisy", Severity.WARNING, message))
    if not sign_is_stated:
        message = say("PixelIntensityRelationshipSign is not stated; vessels are taken to be dark as shown.")
        findings = (*findings, Finding("sign_not_stated", Severity.INFO, message))
    return AssembledRun(images[0].series_uid, run, images, stated_view(header), _plane(header), findings)


def _order(images: Images) -> tuple[str, int, str, int]:
    """As they were made; of copies of a run the one with the most pixels comes first."""
    first = images[0]
    return (
        stated_time(first.header),
        -first.rows * first.columns,
        first.series_uid,
        first.instance_number or 0,
    )


def stated_time(header: Dataset) -> str:
    """When a run was made, as the header has it; empty where it does not say."""
    return (texts(header, "AcquisitionDateTime") or texts(header, "AcquisitionTime") or ("",))[0]


def _unsuitable(images: Images) -> str | None:
    """Why an instance is out of the question; None where its frames have to be looked at."""
    first = images[0]
    if first.sop_class_uid in _FLUOROSCOPY_CLASSES:
        return say("radiofluoroscopy, not angiography")
    modality = modality_of(first.header)
    if first.sop_class_uid not in ANGIOGRAPHY_CLASSES:
        return say("not an angiography image (modality {modality})", modality=modality or say("not stated"))
    return _unsuitable_frames(images) or _other_region(first.header) or _other_technique(first.header)


def _unsuitable_frames(images: Images) -> str | None:
    first = images[0]
    if len(images) > MOST_FRAMES:
        return say("{count} frames: longer than an angiography run", count=len(images))
    if min(first.rows, first.columns) < _SMALLEST_PX:
        return say("a matrix of {columns} x {rows} pixels", columns=first.columns, rows=first.rows)
    return None


def _other_region(header: Dataset) -> str | None:
    """Vessels of a leg or of the head fill as coronary arteries do, and headers alone tell them apart."""
    if (part := stated_elsewhere(header)) is not None:
        return say("an angiogram of another body part ({part})", part=part)
    return None


def _other_technique(header: Dataset) -> str | None:
    if "SC" in texts(header, "RadiationSetting"):
        return say("a fluoroscopy store (RadiationSetting SC)")
    if (turned := rotation_degrees(header)) > ROTATION_DEGREES:
        return say("a rotational run over {turned:.0f} degrees", turned=turned)
    return say("a subtracted run") if _is_subtracted(header) else None


def _is_subtracted(header: Dataset) -> bool:
    """Whether the stored pixels are a difference; a run to be viewed subtracted is stored as it was made."""
    described = " ".join(texts(header, "DerivationDescription"))
    return "SUBTRACT" in described or "SUBTRACTION" in texts(header, "ImageType")


def _dark_vessels(images: Images) -> tuple[NDArray[np.unsignedinteger[Any]], bool]:
    """(t, y, x) with vessels dark, and whether the header says how the values go with the beam.

    As they are shown, bright or dark (PS3.3 C.7.6.3.1.2), values rise with the beam's intensity, unless
    PixelIntensityRelationshipSign says otherwise (C.8.11.3.1.2).
    """
    header = images[0].header
    stored = stored_pixels(images)
    sign = number(of_frame(header, "FramePixelDataPropertiesSequence"), "PixelIntensityRelationshipSign")
    is_turned_over = "MONOCHROME1" in texts(header, "PhotometricInterpretation")
    values = _unsigned(stored.values)
    is_bright = sign is not None and (sign < 0) != is_turned_over
    return _turned_over(header, values) if is_bright else values, sign is not None


def _turned_over(
    header: Dataset, values: NDArray[np.unsignedinteger[Any]]
) -> NDArray[np.unsignedinteger[Any]]:
    """Values counted from the largest that their bits hold: 0 is no beam at all, as a logarithm needs it."""
    full = min(2 ** (whole_number(header, "BitsStored") or 16) - 1, int(np.iinfo(values.dtype).max))
    return values.dtype.type(max(full, int(values.max()))) - values


def _unsigned(values: NDArray[np.number[Any]]) -> NDArray[np.unsignedinteger[Any]]:
    """Values of 8 or 16 bits without a sign, in the same order."""
    if values.dtype in (np.uint8, np.uint16):
        return values.astype(values.dtype.type, copy=False)
    wide = values.astype(np.float32)
    wide -= wide.min()
    wide *= min(1.0, 65535.0 / max(float(wide.max()), 1.0))
    return wide.astype(np.uint16)


def _relationship(header: Dataset) -> str:
    source = of_frame(header, "FramePixelDataPropertiesSequence")
    return (texts(source, "PixelIntensityRelationship") or ("",))[0]


def _plane(header: Dataset) -> str:
    """``A`` or ``B`` by value 3 or 4 of ImageType, empty for a system of one plane."""
    kind = texts(header, "ImageType")
    for value in ("BIPLANE A", "BIPLANE B"):
        if value in kind:
            return value[-1]
    return ""


def _input_findings(header: Dataset, n_frames: int) -> tuple[Finding, ...]:
    findings = []
    if n_frames == 1:
        message = say("A single frame: neither the filling nor the phase of the heartbeat can be judged.")
        findings.append(Finding("single_frame", Severity.WARNING, message))
    if (turned := turned_picture(header)) is not None:
        message = say(
            "PatientOrientation {stated} states that the picture is mirrored or turned: names of arteries "
            "and segments may be wrong.",
            stated=turned,
        )
        findings.append(Finding("orientation_unusual", Severity.WARNING, message))
    if table_moves(header):
        message = say("The table was moved during the run; neighbouring frames are not aligned.")
        findings.append(Finding("table_moved", Severity.WARNING, message))
    if "SUB" in texts(header, "RecommendedViewingMode") and items(header, "MaskSubtractionSequence"):
        message = say("The run is to be viewed subtracted; it was measured as it was stored, without a mask.")
        findings.append(Finding("mask_not_applied", Severity.INFO, message))
    return tuple(findings)


def _no_run(study: Study, excluded: Sequence[Excluded]) -> CineNotFound | FileRefused:
    if study.unreadable:
        return study.unreadable[0]
    reasons = dict.fromkeys(p.reason for p in excluded)
    seen = joined("; ", reasons) if reasons else say("it holds no images")
    return CineNotFound(
        "no_run",
        say("The study holds no angiography run that can be measured; seen: {seen}.", seen=seen),
        say("Send coronary angiography runs as the system stored them."),
        tuple(excluded),
    )
