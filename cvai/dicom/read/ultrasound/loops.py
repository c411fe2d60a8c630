"""Ultrasound loops of a study: which can be analysed, and their frames freed from the writing around them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cvai.dicom.read.classes import ULTRASOUND_IMAGES
from cvai.dicom.read.header.attributes import texts
from cvai.dicom.read.modality import modality_of
from cvai.dicom.read.ultrasound.calibration import COLOUR_FLOW, M_MODE, SPECTRAL, calibration_of, regions_of
from cvai.dicom.read.ultrasound.frame_times import frame_times, heart_rate
from cvai.dicom.read.ultrasound.loop_pixels import grey_loop
from cvai.dicom.read.ultrasound.stages import StageChoice, at_rest, of_chosen_stages
from cvai.dicom.read.ultrasound.views import StatedView, stated_view
from cvai.dicom.read.values import CineNotFound, Excluded, ImagePlane, Images, Series, Study
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.order import are_out_of_order
from cvai.domain.echo.sector import sector_of_loop
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Finding
from cvai.domain.message import joined, say
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import FileRefused, GeometryRefused, HeartRefused

MIN_FRAMES = 8
"""Fewer frames do not show a heartbeat."""

_COLOURED_SHARE = 0.01
"""Of the sector; colour Doppler fills more, a tinted marker less."""

_BLANK = 12
"""Grey levels between the darkest and the brightest pixel of a frame up to which it shows nothing."""

_NOT_THROUGH_THE_CHEST = {
    "INTRAVASCULAR": say("intravascular ultrasound"),
    "INTRACARDIAC": say("intracardiac ultrasound"),
    "TRANSESOPHAGEAL": say("transesophageal ultrasound"),
    "FETAL HEART": say("a fetal heart"),
}
"""Value 3 of ImageType that rules out an apical view (PS3.3 C.8.5.6.1.1)."""

_CONTRAST = say("with a contrast agent in the cavity, which the model was not trained on")

_BY_WORDS = (
    (r"\bT[EO]E\b|TRANSO?ESOPH", _NOT_THROUGH_THE_CHEST["TRANSESOPHAGEAL"]),
    (r"\bICE\b|INTRACARDIAC", _NOT_THROUGH_THE_CHEST["INTRACARDIAC"]),
    (r"\bIVUS\b|INTRAVASCULAR", _NOT_THROUGH_THE_CHEST["INTRAVASCULAR"]),
    (r"\bFO?ETAL\b", _NOT_THROUGH_THE_CHEST["FETAL HEART"]),
    (r"\bLVO\b|SONOVUE|LUMASON|DEFINITY|LUMINITY|OPTISON", _CONTRAST),
)
"""What SeriesDescription and ProtocolName say of all loops of a series; a study's may be of others."""

_BY_PROBE = (
    ("IV_", _NOT_THROUGH_THE_CHEST["INTRAVASCULAR"]),
    ("ENDOCAV", _NOT_THROUGH_THE_CHEST["TRANSESOPHAGEAL"]),
)
"""Beginnings of TransducerType (PS3.3 C.8.5.6.1.23)."""

_NO_AGENT = ("", "NO", "NONE", "N", "0")

_OTHER_VIEW = say("stated to show another view")

_MODES = (
    (0x0002 | 0x0004 | 0x0008, say("M-mode or spectral Doppler")),
    (0x0010 | 0x0020 | 0x0100, say("colour Doppler")),
    (0x0040, say("a rendering of a volume")),
)
"""Bits of value 4 of ImageType, written as four hexadecimal digits."""


@dataclass(frozen=True, slots=True, eq=False)
class LoopSelection:
    """The loops of a study that may show an apical view at rest."""

    loops: tuple[Images, ...]
    excluded: tuple[Excluded, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AssembledLoop:
    """A loop that will be analysed, with the source of every frame.

    ``images`` are the (t,) sources of its frames; ``stated_view`` is that of its header, None where it states
    none.
    """

    series_uid: str
    loop: EchoLoop
    images: Images
    findings: tuple[Finding, ...]
    stated_view: StatedView | None = None

    def __post_init__(self) -> None:
        if len(self.images) != self.loop.n_frames:
            raise ValueError(f"{len(self.images)} source images for {self.loop.n_frames} frames")


def select_loops(study: Study) -> LoopSelection:
    """Find the grey-scale loops of a study that may show an apical view at rest.

    Where a person chose loops, those of their stages are found, at rest or not.

    Raises:
        CineNotFound: ``no_loop``, there is none; ``no_apical_view``, all are stated to show something else;
            ``rest_stage_unknown``; ``chosen_loop_not_measured``.
        FileRefused: the only loops are too large or damaged.
    """
    loops: list[Images] = []
    excluded: list[Excluded] = []
    for series in study.series:
        if not series.planes:
            excluded.append(
                Excluded(series.series_uid, say("no images (modality {modality})", modality=series.modality))
            )
        for images in _instances(series):
            reason = _unsuitable(images)
            if reason is None:
                loops.append(images)
            else:
                excluded.append(Excluded(series.series_uid, reason))
    if not loops:
        raise _no_loop(study, excluded)
    chosen = study.chosen_images
    selection = at_rest(loops) if chosen is None else _of_chosen(chosen, loops, excluded)
    return LoopSelection(
        selection.loops, (*excluded, *selection.excluded), (*study.findings_of_choice, *selection.findings)
    )


def chosen_not_measured(why: str, excluded: Iterable[Excluded]) -> CineNotFound:
    """The refusal of a loop that a person chose."""
    return CineNotFound(
        "chosen_loop_not_measured",
        say("The loop that was chosen cannot be measured: {why}.", why=why.rstrip(".")),
        say("Choose another loop, or keep the result there is."),
        tuple(excluded),
    )


def _of_chosen(chosen: SeriesChoice, loops: Sequence[Images], excluded: Sequence[Excluded]) -> StageChoice:
    if set(chosen.loops) - {images[0].sop_instance_uid for images in loops} or not chosen.loops:
        raise chosen_not_measured(say("it is no grey-scale loop that may show an apical view"), excluded)
    return of_chosen_stages(loops, chosen.loops)


def assemble_loop(images: Images) -> AssembledLoop:
    """Decode a loop, turn it grey, find its sector and blacken everything else.

    Raises:
        FileRefused: ``loop_too_large``, a known defect, ``pixel_data_unreadable`` or ``blank_image``.
        GeometryRefused: ``frame_times_implausible``, ``frames_out_of_order`` or ``pixels_not_square``.
        HeartRefused: ``sector_not_found`` or ``colour_doppler``.
    """
    header = images[0].header
    times = frame_times(header, len(images))
    rate_bpm, rate_findings = heart_rate(header)
    frames, colour = grey_loop(images)
    sector = sector_of_loop(frames)
    if not sector.any():
        raise HeartRefused(
            "sector_not_found",
            say("Nothing moves in the {count} frames: no ultrasound sector was found.", count=len(images)),
            say("Check that the loop shows a beating heart."),
        )
    _require_images(frames[:, sector])
    if are_out_of_order(frames, sector):
        raise GeometryRefused(
            "frames_out_of_order",
            say(
                "The {n_frames} frames do not follow one another: they resemble others more than their "
                "neighbours.",
                n_frames=len(images),
            ),
            say("Send the loop as the ultrasound machine stored it."),
        )
    if float(colour[sector].mean()) > _COLOURED_SHARE:
        raise HeartRefused(
            "colour_doppler",
            say(
                "{percent:.0f} % of the sector is coloured: this is Doppler.",
                percent=100 * float(colour[sector].mean()),
            ),
            say("Send the loop in grey scale."),
        )
    calibration = calibration_of(header, sector)
    loop = EchoLoop(frames * sector, sector, calibration.spacing_mm, times.times_ms, rate_bpm)
    findings = (*calibration.findings, *times.findings, *rate_findings)
    return AssembledLoop(images[0].series_uid, loop, images, findings, stated_view(header))


def _require_images(inside: NDArray[np.uint8]) -> None:
    """Refuse frames that show nothing: labels of a frame take in those of its neighbours.

    Args:
        inside: (t, n) pixels of the sector.

    Raises:
        FileRefused: ``blank_image``.
    """
    blank = np.flatnonzero(np.ptp(inside, axis=1) <= _BLANK)
    if not blank.size:
        return
    raise FileRefused(
        "blank_image",
        say(
            "{n_blank} of {n_frames} frames of the loop show nothing, the first of them frame {frame}.",
            n_blank=blank.size,
            n_frames=len(inside),
            frame=int(blank[0]) + 1,
        ),
        say("Send the loop as the ultrasound machine stored it."),
    )


def _instances(series: Series) -> list[Images]:
    by_instance: dict[str, list[ImagePlane]] = defaultdict(list)
    for plane in series.planes:
        by_instance[plane.sop_instance_uid].append(plane)
    return [tuple(planes) for planes in by_instance.values()]


def _unsuitable(images: Images) -> str | None:
    """Why an instance is out of the question; None where its frames have to be looked at."""
    modality = modality_of(images[0].header)  # of the image: a series may hold objects of several kinds
    if modality != "US":
        return say("not an ultrasound image (modality {modality})", modality=modality or say("not stated"))
    if images[0].sop_class_uid not in ULTRASOUND_IMAGES:
        return say("not an ultrasound image by its SOP class")
    if len(images) == 1:
        return say("a still image")
    if len(images) < MIN_FRAMES:
        return say("{count} frames: too few for a heartbeat", count=len(images))
    return _other_mode(images[0]) or _other_view(images[0])


def _other_mode(image: ImagePlane) -> str | None:
    """Why an image is not in grey and two dimensions, by its regions and by ImageType."""
    regions = regions_of(image.header)
    if any(region.spatial_format in (M_MODE, SPECTRAL) for region in regions):
        return say("M-mode or spectral Doppler")
    if any(region.data_type == COLOUR_FLOW for region in regions):
        return say("colour Doppler")
    return _other_probe(image.header) or _other_kind(
        [str(value).strip().upper() for value in image.header.get("ImageType") or ()]
    )


def _other_probe(header: Dataset) -> str | None:
    """Why an image is not of a heart without contrast through the chest, by attributes beside ImageType."""
    if any(agent not in _NO_AGENT for agent in texts(header, "ContrastBolusAgent")):
        return _CONTRAST
    probe = " ".join(texts(header, "TransducerType"))
    words = " ".join((*texts(header, "SeriesDescription"), *texts(header, "ProtocolName")))
    by_probe = (reason for start, reason in _BY_PROBE if probe.startswith(start))
    by_words = (reason for pattern, reason in _BY_WORDS if re.search(pattern, words))
    return next(chain(by_probe, by_words), None)


def _other_kind(image_type: Sequence[str]) -> str | None:
    """Why an image is no view through the chest in grey, by values 3 and 4 of ImageType, empty or not."""
    where, how = (*image_type[2:4], "", "")[:2]
    if where in _NOT_THROUGH_THE_CHEST:
        return _NOT_THROUGH_THE_CHEST[where]
    modes = int(how, 16) if re.fullmatch("[0-9A-F]{4}", how) else 0
    return next((name for bits, name in _MODES if modes & bits), None)


def _other_view(image: ImagePlane) -> str | None:
    stated = stated_view(image.header)
    if stated is None or stated.view is not EchoView.OTHER:
        return None
    return joined(": ", (_OTHER_VIEW, stated.name))


def _no_loop(study: Study, excluded: Sequence[Excluded]) -> CineNotFound | FileRefused:
    if study.unreadable:
        return study.unreadable[0]
    reasons = dict.fromkeys(p.reason for p in excluded)
    seen = joined("; ", reasons) if reasons else say("it holds no images")
    if any(p.reason.startswith(_OTHER_VIEW) for p in excluded):
        return CineNotFound(
            "no_apical_view",
            say("No loop may show an apical four- or two-chamber view; seen: {seen}.", seen=seen),
            say("Send apical four- and two-chamber loops in grey scale."),
            tuple(excluded),
        )
    return CineNotFound(
        "no_loop",
        say("The study holds no grey-scale loop of a heartbeat; seen: {seen}.", seen=seen),
        say("Send apical four- and two-chamber loops in grey scale."),
        tuple(excluded),
    )
