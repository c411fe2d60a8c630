"""One study for the page: what was measured, what was signed, what is drafted, and who else is looking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from cvai.dicom.read.header.text import lines, one_line
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.domain.ventricles.wall_thickness import measure_wall
from cvai.errors import RequestInvalid
from cvai.jobs.job import JobState
from cvai.jobs.opened import segmentation_uid_of
from cvai.jobs.reading import Reading, Signer, Verdict
from cvai.review.decisions import Decision
from cvai.review.measured import ChangesBody, FrameBody, checked_edits, measured, with_edits
from cvai.review.page import Json, Page
from cvai.review.sign_in.accounts import Reader
from cvai.review.summary import EJECTION_FRACTION, Summary
from cvai.review.viewers.bullseye import Wall
from cvai.review.viewers.cine import CinePack
from cvai.review.worklist import Row

COMPARED = ("lv_edv", "lv_esv", "lv_ef", "lv_mass", "rv_edv", "rv_esv", "rv_ef")


def study_json(page: Page, summary: Summary, reader: Reader) -> Json:
    """All that the study page shows, but for pixels and labels."""
    job_id = summary.job_id
    loops = page.cines.open_loops(summary.record).meta["loops"] if summary.has_loops else []
    return {
        "job_id": job_id,
        "state": summary.state,
        "result": summary.result,
        "cine": dict(page.cines.open(summary.record).meta) if summary.has_contours else None,
        "loops": loops,
        "places": [places_shown(finding, loops) for finding in summary.findings],
        "decisions": [decision_json(page, decision) for decision in page.decisions.of_job(job_id)],
        **shared_json(page, job_id, reader),
    }


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


def wall_shown(page: Page, summary: Summary, reader: Reader) -> tuple[Wall, bool]:
    """The wall of the contours that this reader sees, and whether a reader has drawn them."""
    changes = _standing_changes(page, summary.job_id, reader)
    if changes is None:
        return summary.wall, False
    pack = page.cines.open(summary.record)
    labels = pack.read_labels()
    edited = CineSegmentation(with_edits(labels, checked_edits(changes, labels)), pack.geometry)
    return Wall(measure_wall(edited, KeyPhases(changes.ed, changes.es)).measurements), True


def _standing_changes(page: Page, job_id: str, reader: Reader) -> ChangesBody | None:
    """The reader's draft, else what was signed; None where the model's contours stand."""
    for draft in page.drafts.of_job(job_id):
        if draft.reader == reader.name:
            return ChangesBody.model_validate(draft.body)
    signed = [d.reading for d in page.decisions.of_job(job_id)][-1:]
    if not signed or signed[0].verdict is not Verdict.CHANGED:
        return None
    frames = [FrameBody(t=edit.t, z=edit.z, runs=list(edit.runs)) for edit in signed[0].edits]
    return ChangesBody(ed=signed[0].phases.end_diastole, es=signed[0].phases.end_systole, frames=frames)


def shared_json(page: Page, job_id: str, reader: Reader) -> Json:
    """What may change while the page is open: drafts, other readers, and the decision that holds."""
    drafts = {draft.reader: draft for draft in page.drafts.of_job(job_id)}
    decisions = page.decisions.of_job(job_id)
    own = drafts.get(reader.name)
    return {
        "draft": None if own is None else {"saved_s": own.saved_s, **own.body},
        "others": {
            "looking": page.presence.others(job_id, reader.name),
            "drafting": sorted(set(drafts) - {reader.name}),
        },
        "holds": decision_json(page, decisions[-1]) if decisions else None,
    }


def decision_json(page: Page, decision: Decision) -> Json:
    """A decision, and how far its objects are on their way into the archive."""
    reading = decision.reading
    outcome = page.ledger.reading_outcome(reading.reading_id)
    return {
        "number": decision.number,
        "verdict": reading.verdict,
        "reader": decision.reader,
        "signer": reading.signer.name,
        "signed_at": reading.signed_at.isoformat(),
        "reason": reading.reason,
        "ed": reading.phases.end_diastole,
        "es": reading.phases.end_systole,
        "frames": [asdict(edit) for edit in reading.edits],
        "stored": _stored(outcome.state if outcome else JobState.QUEUED),
        "problem": f"{outcome.message} {outcome.hint}".strip() if outcome else "",
    }


def _stored(state: JobState) -> str:
    if state is JobState.ANALYSED:
        return "stored"
    return "storing" if state in (JobState.QUEUED, JobState.RUNNING) else "failed"


def prior_json(row: Row) -> Json:
    """One point of the trend: the signed value where there is one, else the model's."""
    ef = row.summary.ef
    signed = row.decision.comparison["measured"].get(EJECTION_FRACTION) if row.decision else None
    value = signed[1] if signed else (ef.value if ef else None)
    return {
        "job_id": row.summary.job_id,
        "study_date": row.summary.identity.study_date,
        "lv_ef": value,
        "modality": row.summary.spec.modality if row.summary.spec else "",
        "state": row.state,
    }


def new_reading(
    page: Page, summary: Summary, reader: Reader, changes: ChangesBody | None, reason: str
) -> tuple[Reading, Mapping[str, Any]]:
    """What a reader signs, and how it compares with the model.

    Args:
        page: everything.
        summary: what was read.
        reader: who signs.
        changes: corrections, empty ones for acceptance as it stands; None for a rejection.
        reason: of a rejection.

    Raises:
        RequestInvalid: ``changes_invalid``; ``not_to_be_signed``: there is nothing to be signed.
    """
    if not summary.has_contours:
        raise RequestInvalid(
            "not_to_be_signed", "This study has no contours to be signed.", "Only measured cines are signed."
        )
    pack = page.cines.open(summary.record)
    frames = summary.result["key_frames"]
    found = KeyPhases(frames["ed"], frames["es"])
    labels = pack.read_labels()
    edits = () if changes is None else checked_edits(changes, labels)
    phases = found if changes is None else KeyPhases(changes.ed, changes.es)
    reading = Reading(
        job=summary.record.job,
        model=ModelIdentity(**summary.result["model"]),
        segmentation_uid=segmentation_uid_of(summary.record.outcome),
        replaces=_standing_objects(page, summary),
        verdict=_verdict(changed=bool(edits) or phases != found, rejected=changes is None),
        signer=Signer(one_line(reader.person_name), page.options.organization),
        signed_at=datetime.now(UTC).replace(microsecond=0),
        phases=phases,
        edits=edits,
        reason=lines(reason).strip(),
        images=summary.record.outcome.images,
    )
    return reading, _comparison(summary, pack, reading)


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


def _comparison(summary: Summary, pack: CinePack, reading: Reading) -> dict[str, Any]:
    """Values of the model and of the reader; a rejected value has no counterpart."""
    signed: dict[str, float] = {}
    if reading.verdict is not Verdict.REJECTED:
        labels = with_edits(pack.read_labels(), reading.edits)
        signed = {m.name: m.value for m in measured(labels, reading.phases, pack.meta)}
    model = {name: m.value for name, m in summary.measurements.items()}
    return {
        "model": summary.model,
        "scanner": pack.meta["scanner"],
        "findings": [finding["code"] for finding in summary.findings],
        "measured": {n: [model[n], signed[n]] for n in COMPARED if n in model and n in signed},
    }
