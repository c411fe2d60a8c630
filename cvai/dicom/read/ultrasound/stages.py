"""Stages of a stress examination: which loops were acquired at rest (PS3.17 K, PS3.3 C.8.5.6).

A staged protocol names its stages by StageCodeSequence, by StageName in the words of whoever set it up, or
only counts them by StageNumber, which starts at one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import MappingProxyType

from pydicom import Dataset

from cvai.dicom.read.header.attributes import numbers, texts, whole_number
from cvai.dicom.read.header.coded import DICOM, SNOMED_CT, SNOMED_RT, coded_values
from cvai.dicom.read.ultrasound.frame_times import stated_heart_rate_bpm
from cvai.dicom.read.values import CineNotFound, Excluded, Images, LoopLeftOut
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import Message, joined, say

_REST_CODES = (
    ("128975004", "F-01604"),  # resting state
    ("128974000", "F-01602"),  # baseline state
    ("307153007", "R-40FB9"),  # before procedure
)
_STRESS_CODES = (
    ("432655005", "F-05019"),  # cardiac stress state
    ("434161005", "F-05028"),  # peak cardiac stress state
    ("432554001", "F-05018"),  # cardiac stress recovery state
    ("303110006", "R-422A4"),  # after procedure
    ("307154001", "R-40FBA"),  # during procedure
    ("18590009", "P2-35000"),  # cardiac pacing
    ("128965002", "P2-71306"),  # hand grip
    ("261039008", "R-40928"),  # Valsalva manoeuvre
    ("68978004", "F-25040"),  # hyperventilation
)
"""SNOMED CT and SNOMED RT of PS3.16 CID 12002 and of the example of PS3.17 K.5.2."""

_IS_REST_BY_CODE: Mapping[tuple[str, str], bool] = MappingProxyType(
    {
        (scheme, code): is_rest
        for codes, is_rest in ((_REST_CODES, True), (_STRESS_CODES, False))
        for both in codes
        for scheme, code in zip((SNOMED_CT, SNOMED_RT), both, strict=True)
    }
    | {(DICOM, "121079"): True}
    | dict.fromkeys(((DICOM, "109091"), (DICOM, "109095"), (DICOM, "109096")), False)
)
"""Also Baseline, Cardiac Stress State, Peak stress state and Recovery state of DCM."""

_REST_WORDS = frozenset(
    {"REST", "RESTING", "BASE", "BASELINE", "BASAL", "PRE", "RUHE", "REPOS", "REPOSO", "RIPOSO"}
)
_EFFORT_WORDS = frozenset(
    {"EXERCISE", "EX", "STRESS", "EFFORT", "BELASTUNG", "ESFUERZO", "SFORZO", "DOBUTAMINE", "INFUSION"}
)
_LATER_WORDS = frozenset(
    {"PEAK", "POST", "IMPOST", "IMMEDIATE", "RECOVERY", "REC", "LATE", "LOW", "MID", "HIGH", "MAX"}
    | {"DOSE", "MCG", "UG", "W", "WATT", "WATTS", "PACING"}
)
"""Words of StageName."""

_LONGEST_NAME = 32

_FASTER = 1.2
"""Ratio of heart rates above which the heart is clearly under more stress."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a protocol.

    Args:
        name: StageName or the meaning of its code, empty where not stated.
        number: StageNumber, None where not stated.
        is_rest: what code or name say, None where they say nothing or contradict each other.
    """

    name: str
    number: int | None
    is_rest: bool | None

    @property
    def words(self) -> Message:
        """What it is called."""
        name = [f'"{self.name}"'] if self.name else []
        number = [] if self.number is None else [say("number {number}", number=self.number)]
        return joined(" ", [*name, *number]) if name or number else say("without a name")


@dataclass(frozen=True, slots=True, eq=False)
class StageChoice:
    """The loops of one stage.

    Args:
        loops: those that may be measured.
        excluded: those of other stages.
        findings: which stage it is, where there are several or where it is not known to be at rest.
    """

    loops: tuple[Images, ...]
    excluded: tuple[Excluded, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """The loops of one stage; ``stage`` is None outside of a protocol."""

    stage: Stage | None
    loops: tuple[Images, ...]

    @property
    def rate_bpm(self) -> float | None:
        rates_bpm = [r for images in self.loops if (r := stated_heart_rate_bpm(images[0].header)) is not None]
        return median(rates_bpm) if rates_bpm else None

    @property
    def words(self) -> Message:
        if self.stage is None:
            stage = say("loops outside of the protocol")
        else:
            stage = say("stage {stage}", stage=self.stage.words)
        rate_bpm = self.rate_bpm
        return (
            stage
            if rate_bpm is None
            else say("{stage} at {rate_bpm:.0f}/min", stage=stage, rate_bpm=rate_bpm)
        )


def of_chosen_stages(loops: Sequence[Images], chosen: Collection[str]) -> StageChoice:
    """The loops of the stages that chosen loops are of, whether at rest or not.

    Args:
        loops: of the study.
        chosen: SOPInstanceUIDs of some of them.
    """
    groups = _grouped(loops)
    wanted = [g for g in groups if any(images[0].sop_instance_uid in chosen for images in g.loops)]
    stages = [group.stage for group in wanted if group.stage is not None]
    findings = tuple(_chosen_not_at_rest(stage) for stage in stages if _may_be_stress(stage))
    excluded = tuple(
        loop_left_out(images, say("{group}, of which no loop was chosen", group=group.words))
        for group in groups
        if group not in wanted
        for images in group.loops
    )
    return StageChoice(tuple(images for group in wanted for images in group.loops), excluded, findings)


def loop_left_out(images: Images, reason: str) -> Excluded:
    """A loop that nothing has measured, and that a person may choose."""
    header = images[0].header
    rate_bpm = stated_heart_rate_bpm(header)
    loop = LoopLeftOut(images[0].sop_instance_uid, "", len(images), rate_bpm)
    return Excluded(images[0].series_uid, reason, loop)


def at_rest(loops: Sequence[Images]) -> StageChoice:
    """The loops of the resting stage, where loops are of several stages.

    Code and name say which stage is at rest, else the first number, else loops outside of the protocol are,
    else the one in which the heart beats clearly slowest.

    Raises:
        CineNotFound: ``rest_stage_unknown``, nothing says which stage is at rest.
    """
    groups = _grouped(loops)
    if len(groups) < 2:
        stages = [group.stage for group in groups if group.stage is not None]
        findings = tuple(_not_at_rest(stage) for stage in stages if _may_be_stress(stage))
        return StageChoice(tuple(loops), (), findings)
    resting, how = _resting(groups)
    others = [group for group in groups if group is not resting]
    left_out = joined(", ", (group.words for group in others))
    message = say(
        "The study has several stages. Measured: {resting}, {how}. Left out: {left_out}.",
        resting=resting.words,
        how=how,
        left_out=left_out,
    )
    findings = (Finding("several_stages", Severity.WARNING, message), *_faster(resting, others))
    excluded = tuple(
        loop_left_out(
            images, say("{group}, not at rest; measured: {resting}", group=group.words, resting=resting.words)
        )
        for group in others
        for images in group.loops
    )
    return StageChoice(resting.loops, excluded, findings)


def stage_of(header: Dataset) -> Stage | None:
    """The stage in which an image was acquired, None outside of a staged protocol."""
    coded = coded_values(header, "StageCodeSequence")[:1]
    stated = " ".join(texts(header, "StageName"))
    by_code = [_IS_REST_BY_CODE.get((code.scheme, code.value)) for code in coded]
    number, n_stages = whole_number(header, "StageNumber"), whole_number(header, "NumberOfStages")
    name = stated or " ".join(code.meaning for code in coded)
    if not name and not by_code and max(number or 0, n_stages or 0) < 2:
        return _timed_stress(header)
    says = {verdict for verdict in (*by_code, _is_rest_by_name(name)) if verdict is not None}
    return Stage(_readable(name), number, says.pop() if len(says) == 1 else None)


def _timed_stress(header: Dataset) -> Stage | None:
    """Images outside of a protocol may still state how long ago an exercise ended (EventElapsedTimes, ms)."""
    elapsed_ms = numbers(header, "EventElapsedTimes") or ()
    for name, time_ms in zip(texts(header, "EventTimerNames"), elapsed_ms, strict=False):
        if time_ms > 0 and _words(name) & (_EFFORT_WORDS | _LATER_WORDS):
            return Stage(_readable(name), None, is_rest=False)
    return None


def _is_rest_by_name(name: str) -> bool | None:
    """PRE-EXERCISE is at rest and POST-EXERCISE is not."""
    words = _words(name)
    effort = words & _LATER_WORDS or (words & _EFFORT_WORDS and "PRE" not in words)
    is_rest = bool(words & _REST_WORDS)
    return None if is_rest == bool(effort) else is_rest


def _words(name: str) -> set[str]:
    """Runs of letters; ``PREEXERCISE`` is two words."""
    words = re.findall(r"[A-Z]+", name)
    parts = [re.fullmatch(rf"(PRE|POST)({'|'.join(sorted(_EFFORT_WORDS))})", word) for word in words]
    return {*words, *(half for part in parts if part is not None for half in part.groups())}


def _readable(name: str) -> str:
    """A short line without control characters or quotes."""
    return re.sub(r"[^\w +./%&()-]", "", name)[:_LONGEST_NAME].strip()


def _grouped(loops: Sequence[Images]) -> list[_Group]:
    by_stage: dict[Stage | None, list[Images]] = {}
    for images in loops:
        by_stage.setdefault(stage_of(images[0].header), []).append(images)
    return [_Group(stage, tuple(of_stage)) for stage, of_stage in by_stage.items()]


def _resting(groups: Sequence[_Group]) -> tuple[_Group, Message]:
    """The group at rest, and what says so."""
    open_groups = [group for group in groups if group.stage is None or group.stage.is_rest is None]
    for candidates, how in (
        ([g for g in groups if g.stage is not None and g.stage.is_rest], say("at rest by name or code")),
        (
            [g for g in open_groups if g.stage is not None and g.stage.number == 1],
            say("taken as at rest, being the first"),
        ),
        ([g for g in open_groups if g.stage is None], say("taken as at rest, since no stage is")),
    ):
        if candidates:
            return min(candidates, key=_earliest), how
    slowest = _slowest(open_groups or groups, groups)
    if slowest is not None:
        return slowest, say("taken as at rest, with the slowest heart")
    raise CineNotFound(
        "rest_stage_unknown",
        say(
            "The study holds loops of {n_stages} stages, and nothing says which of them is at rest.",
            n_stages=len(groups),
        ),
        say("Send the loops acquired at rest as a study of their own."),
        tuple(loop_left_out(images, say("of {group}", group=g.words)) for g in groups for images in g.loops),
    )


def _earliest(group: _Group) -> tuple[bool, int]:
    number = None if group.stage is None else group.stage.number
    return number is None, number or 0


def _slowest(candidates: Sequence[_Group], groups: Sequence[_Group]) -> _Group | None:
    """The candidate in which the heart beats clearly slower than in all others, as far as all are known."""
    rates_bpm = [group.rate_bpm for group in groups]
    known = [rate for rate in rates_bpm if rate is not None]
    if len(known) < len(groups):
        return None
    slowest = min(candidates, key=lambda group: group.rate_bpm or 0.0)
    others = [group.rate_bpm or 0.0 for group in groups if group is not slowest]
    return slowest if min(others) >= _FASTER * (slowest.rate_bpm or 0.0) else None


def _faster(resting: _Group, others: Sequence[_Group]) -> tuple[Finding, ...]:
    """A resting heart does not beat clearly faster than a stressed one."""
    rate_bpm = resting.rate_bpm
    slower = [g for g in others if rate_bpm is not None and g.rate_bpm and rate_bpm > _FASTER * g.rate_bpm]
    if not slower:
        return ()
    message = say(
        "The heart beats faster in the {resting} than in the {slower}: it may not be the one at rest.",
        resting=resting.words,
        slower=slower[0].words,
    )
    return (Finding("rest_faster_than_stress", Severity.WARNING, message),)


def _may_be_stress(stage: Stage) -> bool:
    if stage.is_rest:
        return False
    return stage.is_rest is False or stage.number != 1


def _chosen_not_at_rest(stage: Stage) -> Finding:
    message = say(
        "A loop that was chosen is of stage {stage}, which is not known to be at rest.", stage=stage.words
    )
    return Finding("not_at_rest", Severity.WARNING, message)


def _not_at_rest(stage: Stage) -> Finding:
    message = say(
        "All loops that may show an apical view are of stage {stage}, which is not known to be at rest.",
        stage=stage.words,
    )
    return Finding("not_at_rest", Severity.WARNING, message)
