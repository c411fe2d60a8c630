"""What makes the numbers of an ultrasound study doubtful."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.beats import area_curve
from cvai.domain.echo.atrium import enlargement
from cvai.domain.echo.function import KeyDiscs, Volumes, area_length_volumes
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.simpson import monoplane_volume_ml, shared_disc_height_mm
from cvai.domain.echo.strain import Layer, LoopStrain
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.measurement import Measurement, Normality
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.ventricles.quality import HIGHEST_LV_EF_PERCENT, SMALLEST_LV_EDV_ML

_JUMP = 0.25
"""Share of the largest area by which one frame may leave the mean of its neighbours."""

_CUT_SHARE = 0.1
"""Of the cavity's outline that may lie at the border of the sector."""

_ATRIUM_CUT_SHARE = 0.05
"""Of the atrium's outline. In CAMUS it is either whole (under 0.02) or cut off by the sector (0.1 to 0.5)."""

_ATRIA_DIFFER_MM = 5.0
"""Lang et al. 2015: atrial long axes of the two views should not differ by more."""

_LENGTHS_DIFFER = 0.15
"""Lang et al. 2015: long axes of the two views that differ by more hint at foreshortening."""

_PEAK_FRAMES = 1
"""By which the peak of strain may miss end-systole, as the frames are."""

_LARGEST_LV_EDV_ML = 400.0
"""Hearts in failure are rarely larger; those in frames that were enlarged and kept their calibration are."""

_LENGTHS_MM = (45.0, 115.0)
"""Of the left ventricle at end-diastole. In 199 four-chamber views of CAMUS it is 56 to 106 mm."""

_SHAPES_DIFFER = 0.25
_RATES_DIFFER_BPM = 10.0
_BEAT_SHARE = 0.9


def loop_findings(
    name: str, loop: EchoLoop, segmentation: LoopSegmentation, beats: tuple[KeyPhases, ...]
) -> tuple[Finding, ...]:
    """Findings of one loop; ``name`` says in messages which view it is, places leave it open."""
    frames = _key_frames(beats)
    found = (_cut_off(name, loop, segmentation, frames), _short(name, loop))
    return tuple(finding for finding in found if finding is not None)


def course_findings(name: str, segmentation: LoopSegmentation) -> tuple[Finding, ...]:
    """Findings of the area over a loop that is labelled in every frame."""
    found = (
        _jumps(name, segmentation.area_curve_px(Structure.LV_CAVITY)),
        _no_whole_beat(name, segmentation),
    )
    return tuple(finding for finding in found if finding is not None)


def volume_findings(
    volumes: Volumes, beats: Mapping[str, KeyPhases], *, calibrated: bool
) -> tuple[Finding, ...]:
    """Volumes that a heart has rarely, and a lost outline often.

    Args:
        volumes: of the study.
        beats: the first beat that was measured in each view, by name of the view, such as ``a4c``.
        calibrated: whether the volumes are in mL.
    """
    findings = []
    if volumes.ef_percent > HIGHEST_LV_EF_PERCENT:
        message = say(
            "The ejection fraction is very high: {ef_percent:.0f} %. Look whether the cavity was lost at "
            "end-systole.",
            ef_percent=volumes.ef_percent,
        )
        places = tuple(Place(beat.end_systole, view=view) for view, beat in beats.items())
        findings.append(Finding("ejection_fraction_very_high", Severity.WARNING, message, places))
    if calibrated and volumes.edv_ml < SMALLEST_LV_EDV_ML:
        message = say(
            "The left ventricle measures {edv_ml:.0f} mL at end-diastole: check the contours.",
            edv_ml=volumes.edv_ml,
        )
        findings.append(Finding("lv_implausibly_small", Severity.WARNING, message, _end_diastoles(beats)))
    if calibrated and volumes.edv_ml > _LARGEST_LV_EDV_ML:
        message = say(
            "The left ventricle measures {edv_ml:.0f} mL at end-diastole: check the contours, and the size "
            "of the pixels with a scale in the image.",
            edv_ml=volumes.edv_ml,
        )
        findings.append(Finding("lv_implausibly_large", Severity.WARNING, message, _end_diastoles(beats)))
    return tuple(findings)


def disc_findings(name: str, discs: KeyDiscs, beat: KeyPhases) -> tuple[Finding, ...]:
    """Whether discs and the area-length formula tell of the same ventricle at end-diastole of a beat."""
    stack = discs.end_diastole
    discs_ml = monoplane_volume_ml(stack, shared_disc_height_mm([stack]))
    by_area_ml = area_length_volumes(discs).edv_ml
    difference = abs(discs_ml - by_area_ml) / by_area_ml
    if difference <= _SHAPES_DIFFER:
        return ()
    message = say(
        "In the {name} view discs and the area-length formula differ by {percent:.0f} % at "
        "end-diastole; the outline may not be a ventricle's.",
        name=name,
        percent=100 * difference,
    )
    return (Finding("ventricle_shape_unusual", Severity.WARNING, message, (Place(beat.end_diastole),)),)


def length_findings(name: str, discs: KeyDiscs, beat: KeyPhases) -> tuple[Finding, ...]:
    """Whether the ventricle of a loop with a pixel size is as long as one can be at end-diastole."""
    length_mm = discs.end_diastole.axis.length_mm
    if _LENGTHS_MM[0] <= length_mm <= _LENGTHS_MM[1]:
        return ()
    message = say(
        "In the {name} view the left ventricle is {length_mm:.0f} mm long at end-diastole, as hardly any is: "
        "check the contours, and the size of the pixels with a scale in the image.",
        name=name,
        length_mm=length_mm,
    )
    return (Finding("lv_length_implausible", Severity.WARNING, message, (Place(beat.end_diastole),)),)


def biplane_findings(
    four_chamber: KeyDiscs,
    two_chamber: KeyDiscs,
    rates_bpm: tuple[float | None, float | None],
    beats: Mapping[str, KeyPhases],
    *,
    one_scale: bool,
) -> tuple[Finding, ...]:
    """Whether both views show one ventricle under the same conditions.

    Discs and ``beats`` are of the first beat of each view; ``rates_bpm`` are None where they are not known.
    ``one_scale`` says whether lengths of one view can be compared with those of the other.
    """
    lengths = [discs.end_diastole.axis.length_mm for discs in (four_chamber, two_chamber)]
    difference = abs(lengths[0] - lengths[1]) / max(lengths)
    findings = []
    if one_scale and difference > _LENGTHS_DIFFER:
        message = say(
            "The long axes of the two views differ by {percent:.0f} % at end-diastole; the shorter view "
            "may be foreshortened, and its volumes too small, or one view's pixels are not of their stated "
            "size.",
            percent=100 * difference,
        )
        findings.append(Finding("view_foreshortened", Severity.WARNING, message, _end_diastoles(beats)))
    first, second = rates_bpm
    if first is not None and second is not None and abs(first - second) > _RATES_DIFFER_BPM:
        message = say(
            "The heart rates of the two views differ: {first:.0f} and {second:.0f}/min.",
            first=first,
            second=second,
        )
        places = tuple(Place(view=view) for view in beats)
        findings.append(Finding("heart_rates_differ", Severity.WARNING, message, places))
    return tuple(findings)


def atrium_findings(name: str, *, cut: bool, measured: bool, beat: KeyPhases) -> tuple[Finding, ...]:
    """Why one view gives no left atrium.

    Args:
        name: the view, in messages.
        cut: whether the atrium leaves the sector.
        measured: whether any beat has an atrium.
        beat: the first beat.
    """
    where = (Place(beat.end_systole),)
    if cut:
        message = say(
            "The left atrium is cut off by the edge of the sector in the {name} view and not measured.",
            name=name,
        )
        return (Finding("atrium_cut", Severity.WITHHELD, message, where),)
    if not measured:
        message = say(
            "The left atrium was not found as a whole in the {name} view and is not measured.", name=name
        )
        return (Finding("atrium_not_found", Severity.WITHHELD, message, where),)
    return ()


def atrial_lengths_findings(
    lengths_mm: Sequence[float], beats: Mapping[str, KeyPhases]
) -> tuple[Finding, ...]:
    """Whether the atrium is as long in one view as in the other, at the end of ventricular systole."""
    difference_mm = abs(lengths_mm[0] - lengths_mm[1])
    if difference_mm <= _ATRIA_DIFFER_MM:
        return ()
    message = say(
        "The left atrium is {difference_mm:.0f} mm longer in one view than in the other; the shorter "
        "view may be foreshortened, and the volume too small.",
        difference_mm=difference_mm,
    )
    places = tuple(Place(beat.end_systole, view=view) for view, beat in beats.items())
    return (Finding("atrium_foreshortened", Severity.WARNING, message, places),)


def enlargement_findings(index: Measurement | None) -> tuple[Finding, ...]:
    """The published grade of an atrium that is larger than normal; nothing for children and where unknown."""
    if index is None or index.normality is not Normality.HIGH:
        return ()
    message = say(
        "The left atrium is {grade}: {index:.0f} mL/m2 (ASE/EACVI 2015: normal up to 34, mildly "
        "enlarged up to 41, moderately up to 48).",
        grade=enlargement(index.value),
        index=index.value,
    )
    return (Finding("left_atrium_enlarged", Severity.INFO, message),)


def strain_findings(name: str, strain: LoopStrain) -> tuple[Finding, ...]:
    """Why one view gives no strain, or that its ventricle goes on shortening after end-systole."""
    if strain.withheld is not None:
        message = say(
            "Longitudinal strain is withheld: the {name} loop {reason}.", name=name, reason=strain.withheld
        )
        return (Finding("strain_withheld", Severity.WITHHELD, message),)
    late = [b for b in strain.beats[Layer.ENDOCARDIUM] if b.peak_frame > b.end_systole + _PEAK_FRAMES]
    if not late:
        return ()
    first = late[0]
    message = say(
        "In the {name} view the left ventricle is shortest after end-systole: {peak_percent:.1f} % "
        "in frame {frame}, {end_systolic_percent:.1f} % at end-systole.",
        name=name,
        peak_percent=first.peak_percent,
        frame=first.peak_frame + 1,
        end_systolic_percent=first.end_systolic_percent,
    )
    return (Finding("post_systolic_shortening", Severity.INFO, message, (Place(first.peak_frame),)),)


def _end_diastoles(beats: Mapping[str, KeyPhases]) -> tuple[Place, ...]:
    return tuple(Place(beat.end_diastole, view=view) for view, beat in beats.items())


def share_cut(
    loop: EchoLoop, segmentation: LoopSegmentation, structure: Structure, frames: list[int]
) -> float:
    """Share of a structure's outline in these frames that lies at the border of the sector or beyond it."""
    inside = ndimage.binary_erosion(loop.sector, iterations=2)
    chamber = segmentation.labels[frames] == ECHO_LABELS[structure]
    edge = chamber & ~np.stack([ndimage.binary_erosion(frame) for frame in chamber])
    return int(np.count_nonzero(edge & ~inside)) / max(1, int(np.count_nonzero(edge)))


def is_ventricle_cut(loop: EchoLoop, segmentation: LoopSegmentation, beats: Sequence[KeyPhases]) -> bool:
    """Whether the left ventricle leaves the sector at end-diastole or end-systole."""
    return share_cut(loop, segmentation, Structure.LV_CAVITY, _key_frames(beats)) > _CUT_SHARE


def is_atrium_cut(loop: EchoLoop, segmentation: LoopSegmentation, beats: Sequence[KeyPhases]) -> bool:
    """Whether the left atrium leaves the sector at the end of ventricular systole, when it is largest."""
    frames = [beat.end_systole for beat in beats]
    return share_cut(loop, segmentation, Structure.LEFT_ATRIUM, frames) > _ATRIUM_CUT_SHARE


def _key_frames(beats: Sequence[KeyPhases]) -> list[int]:
    return [t for beat in beats for t in (beat.end_diastole, beat.end_systole)]


def _cut_off(name: str, loop: EchoLoop, segmentation: LoopSegmentation, frames: list[int]) -> Finding | None:
    """Readers and networks draw on where a narrow sector ends; the share drawn outside is reported."""
    share = share_cut(loop, segmentation, Structure.LV_CAVITY, frames)
    if share <= _CUT_SHARE:
        return None
    message = say(
        "{percent:.0f} % of the left ventricle's outline in the {name} view lie outside the sector or under "
        "writing on the image: the contour is a guess there.",
        percent=100 * share,
        name=name,
    )
    return Finding("sector_cut", Severity.WARNING, message)


def _jumps(name: str, area_px: NDArray[np.float64]) -> Finding | None:
    if area_px.size < 3:
        return None
    off = np.abs(area_px[1:-1] - (area_px[:-2] + area_px[2:]) / 2) / area_px.max()
    if off.max() <= _JUMP:
        return None
    worst = int(off.argmax()) + 1
    message = say(
        "Frame {phase} of the {name} view leaves the area of its neighbours by {percent:.0f} %.",
        phase=worst + 1,
        name=name,
        percent=100 * off.max(),
    )
    return Finding("area_jumps_between_frames", Severity.WARNING, message, (Place(phase=worst),))


def _short(name: str, loop: EchoLoop) -> Finding | None:
    if loop.times_ms is None or loop.heart_rate_bpm is None:
        return None
    beat_ms = 60_000.0 / loop.heart_rate_bpm
    covered = float(loop.times_ms[-1]) / beat_ms
    if covered >= _BEAT_SHARE:
        return None
    message = say(
        "The {name} loop covers {percent:.0f} % of a beat; end-diastole or end-systole may be missing.",
        name=name,
        percent=100 * covered,
    )
    return Finding("less_than_a_beat", Severity.WARNING, message)


def _no_whole_beat(name: str, segmentation: LoopSegmentation) -> Finding | None:
    if area_curve(segmentation.area_curve_px(Structure.LV_CAVITY)).beats:
        return None
    message = say(
        "The {name} loop shows no whole systole; its largest and its smallest frame stand for "
        "end-diastole and end-systole, and may be neither.",
        name=name,
    )
    return Finding("no_whole_beat", Severity.WARNING, message)
