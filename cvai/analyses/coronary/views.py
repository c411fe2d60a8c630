"""Segments that several runs look at: a second view confirms a narrowing, does not show it, or is missing.

The projection of an eccentric plaque depends on the direction: a narrowing is over- or underestimated in one
view. Runs from nearly the same direction, and runs whose angles are not stated, are no second view.
"""

from __future__ import annotations

from itertools import combinations

from cvai.analyses.coronary.analysis import CoronaryAnalysis, MeasuredRun
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import Message, joined, say, term
from cvai.domain.vessels.segments import CORONARY_LABELS, CoronarySegment

LEAST_APART_DEGREES = 30.0
"""Between the directions of two views."""
_LEAST_SHOWN_PX = 60
"""Pixels of a segment from which on a run shows it: some 15 along a vessel 4 wide."""


def view_key(number: int) -> str:
    """What places and loops of the n-th run are called; n counts from 1."""
    return f"run{number}"


def view_findings(analysis: CoronaryAnalysis) -> tuple[Finding, ...]:
    """``two_views``, ``views_disagree`` and ``one_view``, each with its segments and their runs."""
    told: dict[str, list[tuple[Message, list[MeasuredRun]]]] = {}
    for segment in dict.fromkeys(found.lesion.segment for found in analysis.lesions):
        code, text, runs = _judged(analysis, segment)
        told.setdefault(code, []).append(
            (say("{segment} ({text})", segment=term(segment.display_name), text=text), runs)
        )
    findings = []
    for code, (severity, opening) in _SAID.items():
        if of_code := told.get(code):
            places = [_place(analysis, run) for _, runs in of_code for run in runs]
            message = say(
                "{opening}: {segments}.",
                opening=opening,
                segments=joined("; ", (text for text, _ in of_code)),
            )
            findings.append(Finding(code, severity, message, tuple(dict.fromkeys(places))))
    return tuple(findings)


_SAID = {
    "two_views": (Severity.INFO, say("Narrowed in two views")),
    "views_disagree": (
        Severity.WARNING,
        say("Narrowed in one view and not in another that shows the segment"),
    ),
    "one_view": (Severity.WARNING, say("Narrowed in one view only, which may under- or overestimate")),
}


def _judged(analysis: CoronaryAnalysis, segment: CoronarySegment) -> tuple[str, Message, list[MeasuredRun]]:
    """Code of what the views say of a narrowed segment, the percentages by view, and the runs to look at."""
    percents: dict[int, float] = {}  # by the number of the run; its severest lesion comes first
    for found in analysis.lesions:
        if found.lesion.segment is segment:
            percents.setdefault(analysis.runs.index(found.run), found.lesion.percent)
    narrowed = {analysis.runs[number]: percent for number, percent in percents.items()}
    text = joined(
        ", ",
        (
            say("{percent:.0f} % in {run}", percent=percent, run=run.source.name)
            for run, percent in narrowed.items()
        ),
    )
    if any(_are_two_views(one, other) for one, other in combinations(narrowed, 2)):
        return "two_views", text, list(narrowed)
    clear = [run for run in analysis.runs if run not in narrowed and _shows(run, segment)]
    clear = [run for run in clear if any(_are_two_views(run, other) for other in narrowed)]
    if clear:
        without = say(
            "{narrowed}, not in {clear}",
            narrowed=text,
            clear=joined(", ", (run.source.name for run in clear)),
        )
        return "views_disagree", without, [*narrowed, *clear]
    return "one_view", text, list(narrowed)


def _are_two_views(one: MeasuredRun, other: MeasuredRun) -> bool:
    if one.source.view is None or other.source.view is None:
        return False
    return one.source.view.degrees_from(other.source.view) >= LEAST_APART_DEGREES


def _shows(run: MeasuredRun, segment: CoronarySegment) -> bool:
    return int((run.labels == CORONARY_LABELS[segment]).sum()) >= _LEAST_SHOWN_PX


def _place(analysis: CoronaryAnalysis, run: MeasuredRun) -> Place:
    return Place(phase=run.frame, view=view_key(analysis.runs.index(run) + 1))
