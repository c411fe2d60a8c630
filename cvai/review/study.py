"""One study for the page: what was measured, what was signed, what is drafted, and who else is looking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, cast

from cvai.analyses.page import Number
from cvai.analyses.registry import AnyEditing
from cvai.analyses.shown import FewFrames, Preview
from cvai.analyses.spec import STACK, PageSpec
from cvai.dicom.read.header.text import lines, one_line
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.report.document import readable_time
from cvai.dicom.write.result_json import finding_entry, stated_remarks
from cvai.domain.measurement import Measurement
from cvai.domain.message import say, term, translated
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import ModelIdentity
from cvai.errors import RequestInvalid
from cvai.jobs.job import JobState, Outcome
from cvai.jobs.opened import segmentation_uids_of
from cvai.jobs.reading import FrameEdit, Reading, Signer, Verdict
from cvai.jobs.signing import measured_again
from cvai.languages import ENGLISH, translator
from cvai.review.decisions import Decision
from cvai.review.impression import (
    IMPRESSION,
    impression_json,
    proposed_text,
    scored_sentences,
    signed_impression,
)
from cvai.review.listing import Row
from cvai.review.measured import ChangesBody, changes_of, checked_edits, few_frames
from cvai.review.page import Json, Page
from cvai.review.sign_in.accounts import Reader, given_name_first
from cvai.review.summary import Summary
from cvai.review.viewers.bullseye import drawn_wall
from cvai.review.viewers.cine import CinePack
from cvai.review.viewers.loops import LoopPack, redrawn_json
from cvai.review.viewers.scores import told_scores
from cvai.review.wording import name_by_parts, render, unit_text


def study_json(page: Page, summary: Summary, reader: Reader, language: str) -> Json:
    """All that the study page shows, but for pixels and labels, in the language of the page."""
    job_id = summary.job_id
    loops = page.cines.open_loops(summary.record).meta["loops"] if summary.has_loops else []
    return {
        "job_id": job_id,
        "state": summary.state,
        "result": summary.result,
        "page": None if summary.page is None else page_json(summary, summary.page, language),
        "cine": dict(page.cines.open(summary.record).meta) if summary.has_stack else None,
        "loops": _with_titles(loops, language),
        "places": [places_shown(finding, loops) for finding in summary.findings],
        "decisions": [decision_json(page, d, language) for d in page.decisions.of_job(job_id)],
        "editable": summary.editing is not None,
        "by_hand": summary.is_by_hand,
        "previews": summary.editing is not None and summary.editing.preview is not None,
        "given": None if summary.scores is None else summary.scores.given,
        "adding": _adding(summary),
        "signed": _signed_json(page, summary),
        "impression": impression_json(page, summary),
        "proposed": _proposed(
            summary, tuple(summary.measurements.values()), summary.findings, summary.meaning, language
        ),
        **shared_json(page, job_id, reader, language),
    }


def _adding(summary: Summary) -> str | None:
    """Name of what is added where it was missed, see ``Adding``; None where nothing can be."""
    adding = None if summary.scores is None else summary.scores.adding
    return None if adding is None else adding.name


def _signed_json(page: Page, summary: Summary) -> Json | None:
    """What the last decision has changed; None where none holds, or it rejects."""
    decisions = page.decisions.of_job(summary.job_id)
    if not decisions or decisions[-1].reading.verdict is Verdict.REJECTED:
        return None
    return changes_of(decisions[-1].reading, pack_of(page, summary)).model_dump()


def page_json(summary: Summary, page: PageSpec[Any], language: str) -> Json:
    """How the study is shown, see ``PageSpec``; titles are translated."""
    told: Json = {
        "layers": [asdict(layer) for layer in page.layers],
        "curve": None if page.curve is None else asdict(page.curve),
        "recorded": [None if s.curve is None else asdict(s.curve) for s in summary.sections],
        "live": None if page.live is None else asdict(page.live),
        "overlay": None if page.overlay is None else asdict(page.overlay),
        "traces": None if page.traces is None else asdict(page.traces),
        "signed": _signed_numbers(summary, tuple(summary.measurements.values()), summary.meaning),
        "slice_parts": [
            {**asdict(part), "numbers": _numbers_json(summary.measurements, part.numbers)}
            for part in page.slice_parts
        ],
    }
    return cast("Json", _with_titles(told, language))


def _with_titles(value: Any, language: str) -> Any:
    """The same JSON value with every title in it translated."""
    title = name_by_parts(language)
    if isinstance(value, Mapping):
        return {
            name: title(inner) if name == "title" else _with_titles(inner, language)
            for name, inner in value.items()
        }
    return [_with_titles(inner, language) for inner in value] if isinstance(value, list | tuple) else value


def _signed_numbers(
    summary: Summary, measurements: Sequence[Measurement], meaning: Callable[[str], str]
) -> list[Json]:
    """What is shown before a reader signs: the numbers that the analysis names, else all of them."""
    numbers = summary.page.signed if summary.page is not None else ()
    numbers = numbers or tuple(Number(m.name, meaning(m.name)) for m in measurements)
    return _numbers_json({m.name: m for m in measurements}, numbers)


def _numbers_json(measurements: Mapping[str, Measurement], numbers: Iterable[Number]) -> list[Json]:
    """Those that were measured, with their units."""
    return [
        {**asdict(number), "unit": unit_text(measurements[number.name].unit)}
        for number in numbers
        if number.name in measurements
    ]


def places_shown(finding: Mapping[str, Any], loops: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Where a finding leads on the page; nowhere where result.json is older than places.

    Args:
        finding: as in result.json.
        loops: as in ``LoopPack.meta``; empty for a cine.

    Returns:
        0-based phase and slice of a cine, null where it shows the present one; or view and 0-based frame of
        a loop, its first end-diastole where the finding names none.

    >>> places_shown({"where": [{"phase": None, "slice": 8, "view": None}]}, [])
    [{'t': None, 'z': 8}]
    >>> loops = [{"view": "a4c", "beats": [{"ed": 2, "es": 9}]}]
    >>> places_shown({"where": [{"phase": None, "slice": None, "view": "a4c"}]}, loops)
    [{'view': 'a4c', 't': 2}]
    """
    places = finding.get("where", [])
    if not loops:
        return [{"t": place["phase"], "z": place["slice"]} for place in places]
    beats = {loop["view"]: loop["beats"] for loop in loops}
    return [
        {"view": place["view"], "t": _frame(place["phase"], beats[place["view"]])}
        for place in places
        if place["view"] in beats
    ]


def _frame(phase: int | None, beats: Sequence[Mapping[str, int]]) -> int:
    """The frame named, else the end-diastole that the page begins with."""
    if phase is not None:
        return phase
    return beats[0]["ed"] if beats else 0


def measured_json(page: Page, summary: Summary, reader: Reader, language: str) -> Json:
    """What the contours that this reader sees measure, their curves; their findings and the wall as HTML.

    Raises:
        RequestInvalid: ``study_unknown``: this analysis is not corrected here.
    """
    editing = _editing(summary)
    changes = _standing_changes(page, summary, reader)
    shown = page.cines.open_loops(summary.record).meta["loops"] if summary.has_loops else []
    if changes is None:
        measurements, curves = tuple(summary.measurements.values()), summary.result["curves"]
        remarks = stated_remarks(summary.result)
        stated = (measurements, curves, summary.findings, remarks, summary.meaning)
        told = _measured_json(summary, stated, shown, None, language)
        return {**told, "marks": _marks_json(page, summary, {}, language)}
    pack = pack_of(page, summary)
    edits = checked_edits(changes, pack, editing)
    analysis = measured_again(
        editing,
        page.cines.reopen(summary.record),
        edits,
        beats=changes.beats_by_view,
        model=_model(summary),
        factors=_factors(summary),
        chosen=changes.chosen,
        entered=summary.entered,
    )
    loops = []
    if editing.redraw is not None and isinstance(pack, LoopPack):
        frames = _frames_redrawn(edits, changes.beats_by_view, pack.found_beats)
        loops = [redrawn_json(pack, loop) for loop in editing.redraw(analysis, frames)]
    findings = [finding_entry(finding) for finding in analysis.findings]
    found = (
        analysis.measurements,
        analysis.curves,
        findings,
        analysis.remarks,
        _meaning(analysis),
    )
    told = _measured_json(summary, found, loops or shown, changes, language)
    told["marks"] = _marks_json(page, summary, changes.chosen, language)
    return {**told, "loops": loops} if loops else told


def _marks_json(page: Page, summary: Summary, chosen: Mapping[str, float], language: str) -> Json:
    """Where a reader's scores were measured, by view; empty where the page marks nothing."""
    editing, pack = _editing(summary), pack_of(page, summary)
    if editing.preview is None or _adding(summary) is None or not isinstance(pack, LoopPack):
        return {}
    few = FewFrames({}, pack.found_beats, _factors(summary), chosen)
    return _placed_marks(pack, editing.preview(page.cines.reopen(summary.record), few), language)


def _placed_marks(pack: LoopPack, preview: Preview, language: str) -> Json:
    marks = {view: pack.marks_json(view, of_view) for view, of_view in preview.marks.items()}
    return cast("Json", _with_titles(marks, language))


Found = tuple[
    Sequence[Measurement],
    Mapping[str, Sequence[float] | None],
    Sequence[Mapping[str, Any]],
    Sequence[str],
    Callable[[str], str],
]
"""Measurements, curves, findings as in result.json, remarks, and what a measurement is, by its name."""


def _measured_json(
    summary: Summary,
    found: Found,
    loops: Sequence[Json],
    changes: ChangesBody | None,
    language: str,
) -> Json:
    measurements, curves, findings, remarks, meaning = found
    of_reader = changes is not None
    return {
        "measurements": {m.name: m.value for m in measurements},
        "units": {m.name: unit_text(m.unit) for m in measurements},
        "curves": dict(curves),
        "findings": render("findings.html", language, findings=findings, of_reader=of_reader),
        "places": [places_shown(finding, loops) for finding in findings],
        "proposed": _proposed(summary, measurements, findings, meaning, language),
        "wall": _wall_html(summary, measurements, language, of_reader=of_reader),
        "scores": _scores_html(summary, measurements, changes.chosen if changes else {}, language, meaning),
        "signed": _with_titles(_signed_numbers(summary, measurements, meaning), language),
        "remarks": [translated(remark, translator(language)) for remark in remarks],
    }


def _proposed(
    summary: Summary,
    measurements: Sequence[Measurement],
    findings: Sequence[Mapping[str, Any]],
    meaning: Callable[[str], str],
    language: str,
) -> str:
    shown = summary.page
    if shown is None:
        return ""
    scored = () if shown.scores is None else scored_sentences(shown.scores(measurements), meaning, language)
    return proposed_text(shown.impression, measurements, findings, language, scored)


def preview_json(page: Page, summary: Summary, changes: ChangesBody, language: str) -> Json:
    """What is shown of loops while a contour or mark is dragged: main measurements, lines of the frames sent,
    and marks.

    Raises:
        RequestInvalid: ``study_unknown``: this analysis has no loops that are corrected here;
            ``changes_invalid``.
        Refused: what was drawn cannot be measured.
    """
    editing, pack = _editing(summary), pack_of(page, summary)
    if editing.preview is None or not isinstance(pack, LoopPack):
        raise RequestInvalid("study_unknown", "This study has no loops.", "Its numbers can be read.")
    opened = page.cines.reopen(summary.record)
    few = few_frames(changes, editing.labels(opened), pack, editing, _factors(summary))
    preview = editing.preview(opened, few)
    marks = _placed_marks(pack, preview, language)
    lines = ({"view": v, "t": t, "lines": pack.placed(v, drawn)} for (v, t), drawn in preview.lines.items())
    return {
        "measurements": {m.name: m.value for m in preview.measurements},
        "lines": list(lines),
        "marks": marks,
    }


def _frames_redrawn(
    edits: Sequence[FrameEdit], *beats: Mapping[str, tuple[KeyPhases, ...]]
) -> dict[str, set[int]]:
    """Frames of every view on which other lines may be drawn than the model's: edited, or of a beat."""
    frames: dict[str, set[int]] = {view: set() for of_all in beats for view in of_all}
    for view, of_view in (item for of_all in beats for item in of_all.items()):
        frames[view] |= {t for beat in of_view for t in (beat.end_diastole, beat.end_systole)}
    for edit in edits:
        frames[edit.view].add(edit.t)
    return frames


def pack_of(page: Page, summary: Summary) -> CinePack | LoopPack:
    """The images that are corrected.

    Raises:
        RequestInvalid: ``study_unknown``: there are none.
    """
    if summary.has_stack or summary.has_loops:
        return page.cines.pack(summary.record)
    raise RequestInvalid("study_unknown", "This study has no contours.", "Its numbers can be read.")


def _editing(summary: Summary) -> AnyEditing:
    if summary.editing is None:
        raise RequestInvalid("study_unknown", "This study has no contours.", "Its numbers can be read.")
    return summary.editing


def _model(summary: Summary) -> ModelIdentity:
    return ModelIdentity(**summary.result["model"])


def _wall_html(
    summary: Summary, measurements: Sequence[Measurement], language: str, *, of_reader: bool
) -> str:
    page = summary.page
    if page is None or page.wall is None:
        return ""
    return render("wall.html", language, wall=drawn_wall(page.wall(measurements)), of_reader=of_reader)


def _scores_html(
    summary: Summary,
    measurements: Sequence[Measurement],
    chosen: Mapping[str, float],
    language: str,
    meaning: Callable[[str], str],
) -> str:
    page, model = summary.page, summary.scores
    if page is None or page.scores is None or model is None:
        return ""
    told = told_scores(page.scores(measurements), model, chosen)
    shown = {"scores": model, "told": told, "chosen": chosen, "meaning": meaning}
    return render("scores.html", language, **shown, by_hand=summary.is_by_hand)


def _factors(summary: Summary) -> dict[str, float]:
    return dict(summary.result.get("factors") or {})


def _standing_changes(page: Page, summary: Summary, reader: Reader) -> ChangesBody | None:
    """The reader's draft, else what was signed; None where the model's contours stand."""
    for draft in page.drafts.of_job(summary.job_id):
        if draft.reader == reader.name:
            return ChangesBody.model_validate(draft.body)
    signed = [d.reading for d in page.decisions.of_job(summary.job_id)][-1:]
    if not signed or signed[0].verdict is not Verdict.CHANGED:
        return None
    return changes_of(signed[0], pack_of(page, summary))


def waiting_text(page: Page, summary: Summary) -> str:
    """How far the analysis is and that the page shows it once it is done; empty when it has ended."""
    record = summary.record
    if record.ended_at is not None:
        return ""
    is_running = record.outcome.state is JobState.RUNNING
    state = page.worklist.step(summary.job_id) if is_running else str(record.outcome.state)
    return say("This study is {state}. This page shows it when it is done.", state=term(state))


def shared_json(page: Page, job_id: str, reader: Reader, language: str) -> Json:
    """What may change while the page is open: drafts, other readers, and the decision that holds."""
    drafts = {draft.reader: draft for draft in page.drafts.of_job(job_id)}
    decisions = page.decisions.of_job(job_id)
    own, names = drafts.get(reader.name), page.accounts.names()
    return {
        "draft": None if own is None else {"saved_s": own.saved_s, **own.body},
        "others": {
            "looking": sorted(names.get(n, n) for n in page.presence.others(job_id, reader.name)),
            "drafting": sorted(names.get(n, n) for n in set(drafts) - {reader.name}),
        },
        "holds": decision_json(page, decisions[-1], language) if decisions else None,
    }


def decision_json(page: Page, decision: Decision, language: str) -> Json:
    """A decision, and how far its objects are on their way into the archive."""
    reading = decision.reading
    outcome = page.ledger.reading_outcome(reading.reading_id)
    return {
        "number": decision.number,
        "verdict": reading.verdict,
        "reader": decision.reader,
        "signer": page.accounts.names().get(decision.reader) or given_name_first(reading.signer.name),
        "signed": readable_time(reading.signed_at),
        "reason": reading.reason,
        "stored": _stored(outcome.state if outcome else JobState.QUEUED),
        "problem": _problem(outcome, translator(language)) if outcome else "",
    }


def _problem(outcome: Outcome, translate: Callable[[str], str]) -> str:
    return " ".join(translated(text, translate) for text in (outcome.message, outcome.hint) if text)


def _stored(state: JobState) -> str:
    if state is JobState.ANALYSED:
        return "stored"
    return "storing" if state in (JobState.QUEUED, JobState.RUNNING) else "failed"


def prior_json(row: Row) -> Json:
    """One point of the trend: the signed value where there is one, else the model's."""
    value = row.signed if row.signed is not None or row.main is None else row.main.value
    return {
        "job_id": row.job_id,
        "study_date": row.identity.study_date,
        "value": value,
        "modality": row.spec.modality if row.spec else "",
        "state": row.state,
    }


def new_reading(
    page: Page,
    summary: Summary,
    reader: Reader,
    changes: ChangesBody | None,
    *,
    reason: str = "",
    impression: str = "",
    language: str = ENGLISH,
) -> tuple[Reading, Mapping[str, Any]]:
    """What a reader signs, and how it compares with the model.

    Args:
        page: everything.
        summary: what was read.
        reader: who signs.
        changes: corrections, empty ones for acceptance as it stands; None for a rejection.
        reason: of a rejection.
        impression: as the reader sees it; a rejection has none.
        language: in which the page proposed it.

    Raises:
        RequestInvalid: ``changes_invalid``; ``not_to_be_signed``: there is nothing to be signed;
            ``nothing_to_reject``; ``nothing_drawn``.
    """
    editing = summary.editing
    if editing is None:
        raise RequestInvalid(
            "not_to_be_signed", "This study has no contours to be signed.", "Its numbers can be read."
        )
    pack = pack_of(page, summary)
    found = found_beats(summary, pack)
    if changes is not None:
        edits, beats = checked_edits(changes, pack, editing), changes.beats_by_view
        chosen = changes.chosen
    elif summary.is_by_hand:
        signed_before = _signed_by_hand(page, summary)
        edits, beats = signed_before.edits, dict(signed_before.beats_by_view)
        chosen = dict(signed_before.chosen)
    else:
        edits, beats, chosen = (), found, {}
    first = next(iter(found))
    segmentations = segmentation_uids_of(summary.record.job, summary.record.outcome)
    reading = Reading(
        job=summary.record.job,
        model=_model(summary),
        segmentation_uid=next(iter(segmentations.values()), ""),
        replaces=_standing_objects(page, summary),
        verdict=_verdict(changed=bool(edits or chosen) or beats != found, rejected=changes is None),
        signer=Signer(one_line(reader.person_name), page.options.organization),
        signed_at=datetime.now(UTC).replace(microsecond=0),
        phases=beats[first][0],
        edits=edits,
        reason=lines(reason).strip(),
        images=summary.record.outcome.images,
        segmentations={} if first == STACK else segmentations,
        beats={} if first == STACK else beats,
        factors=_factors(summary),
        chosen=chosen,
        entered=summary.entered,
    )
    signed, findings, meaning = _signed(page, summary, editing, reading)
    if changes is not None:
        _require_drawn(summary, signed)
        written = page.statements.last(summary.job_id, IMPRESSION)
        proposed = _proposed(summary, signed, findings, meaning, language)
        stated = signed_impression(impression, proposed, written, reader, reading.signed_at)
        reading = replace(reading, impression=stated)
    return reading, _comparison(summary, pack.scanner, signed)


def _signed_by_hand(page: Page, summary: Summary) -> Reading:
    """What a rejection withdraws where no model has drawn anything: the last reading that was signed.

    Raises:
        RequestInvalid: ``nothing_to_reject``.
    """
    decisions = page.decisions.of_job(summary.job_id)
    if not decisions or decisions[-1].reading.verdict is Verdict.REJECTED:
        raise RequestInvalid(
            "nothing_to_reject",
            "Nothing is signed that could be rejected.",
            "Dismiss the study with a reason.",
        )
    return decisions[-1].reading


def found_beats(summary: Summary, pack: CinePack | LoopPack) -> dict[str, tuple[KeyPhases, ...]]:
    """As the model's labels have them."""
    if isinstance(pack, LoopPack):
        return pack.found_beats
    frames = summary.result["key_frames"]
    return {STACK: (KeyPhases(frames["ed"], frames["es"]),)}


def _signed(
    page: Page, summary: Summary, editing: AnyEditing, reading: Reading
) -> tuple[Sequence[Measurement], Sequence[Mapping[str, Any]], Callable[[str], str]]:
    """What is signed, with its findings and what it means, by name.

    It is the model's where nothing was changed, and nothing if that was rejected.
    """
    if reading.verdict is Verdict.ACCEPTED:
        return tuple(summary.measurements.values()), summary.findings, summary.meaning
    if reading.verdict is Verdict.REJECTED:
        return (), (), summary.meaning
    opened = page.cines.reopen(summary.record)
    analysis = measured_again(
        editing,
        opened,
        reading.edits,
        beats=reading.beats_by_view,
        model=reading.model,
        factors=reading.factors,
        chosen=reading.chosen,
        entered=reading.entered,
    )
    return (
        analysis.measurements,
        [finding_entry(finding) for finding in analysis.findings],
        _meaning(analysis),
    )


def _meaning(analysis: Analysed) -> Callable[[str], str]:
    return lambda name: analysis.coding(name).meaning


def _require_drawn(summary: Summary, signed: Sequence[Measurement]) -> None:
    """Of a study that is read by hand the main measurement is signed, or nothing."""
    headline = summary.headline
    if not summary.is_by_hand or headline is None or headline.name in {m.name for m in signed}:
        return
    raise RequestInvalid(
        "nothing_drawn",
        f"{headline.title} cannot be measured in what is drawn.",
        "Draw what the findings name, or dismiss the study with a reason.",
    )


def _verdict(*, changed: bool, rejected: bool) -> Verdict:
    if rejected:
        return Verdict.REJECTED
    return Verdict.CHANGED if changed else Verdict.ACCEPTED


def _standing_objects(page: Page, summary: Summary) -> tuple[str, ...]:
    """What the model wrote, and what readers have signed about it since."""
    objects = list(summary.record.outcome.objects)
    for decision in page.decisions.of_job(summary.job_id):
        outcome = page.ledger.reading_outcome(decision.reading.reading_id)
        objects.extend(outcome.objects if outcome else ())
    return tuple(stored.sop_instance_uid for stored in objects)


def _comparison(summary: Summary, scanner: str, signed: Sequence[Measurement]) -> dict[str, Any]:
    """Values of the model and of the reader; a rejected value has no counterpart, one by hand no model's."""
    values = {m.name: m for m in signed}
    found = dict.fromkeys(values) if summary.is_by_hand else summary.measurements
    compared = summary.spec.compared if summary.spec is not None else ()
    both = {name: found[name] for name in compared if name in found and name in values}
    of_model = {name: model for name, model in both.items() if model is not None}
    origins = {name: model.interval_from for name, model in of_model.items()}
    return {
        "model": summary.model,
        "scanner": scanner,
        "findings": [finding["code"] for finding in summary.findings],
        "measured": {n: [None if m is None else m.value, values[n].value] for n, m in both.items()},
        "intervals": {name: model.interval for name, model in of_model.items()},
        "factors": {name: origin.factor for name, origin in origins.items() if origin is not None},
        "units": {name: values[name].unit for name in both},
        "acquired": summary.result.get("acquired"),
    }
