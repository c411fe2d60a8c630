"""One study for the page: what was measured, what was signed, what is drafted, and who else is looking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from cvai.engine.job import JobState
from cvai.engine.opened import segmentation_uid_of
from cvai.engine.reading import Reading, Signer, Verdict
from cvai.errors import RequestInvalid
from cvai.heart.phases import KeyPhases
from cvai.heart.segmentation import ModelIdentity
from cvai.review.accounts import Reader
from cvai.review.cine import CinePack
from cvai.review.decisions import Decision
from cvai.review.measured import ChangesBody, checked_edits, measured, with_edits
from cvai.review.page import Json, Page
from cvai.review.places import places_of
from cvai.review.summary import Summary
from cvai.review.worklist import Row

COMPARED = ("lv_edv", "lv_esv", "lv_ef", "lv_mass", "rv_edv", "rv_esv", "rv_ef")


def study_json(page: Page, summary: Summary, reader: Reader) -> Json:
    """All that the study page shows, but for pixels and labels."""
    job_id = summary.job_id
    return {
        "job_id": job_id,
        "state": summary.state,
        "result": summary.result,
        "cine": dict(page.cines.open(summary.record).meta) if summary.has_contours else None,
        "places": [places_of(f["message"], summary.result["frames"]) for f in summary.findings],
        "decisions": [decision_json(page, decision) for decision in page.decisions.of_job(job_id)],
        **shared_json(page, job_id, reader),
    }


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
    signed = row.decision.comparison["measured"].get("lv_ef") if row.decision else None
    value = signed[1] if signed else (ef.value if ef else None)
    return {
        "job_id": row.summary.job_id,
        "study_date": row.summary.identity.study_date,
        "lv_ef": value,
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
    frames = summary.result["frames"]
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
        signer=Signer(reader.person_name, page.options.organization),
        signed_at=datetime.now(UTC).replace(microsecond=0),
        phases=phases,
        edits=edits,
        reason=reason.strip(),
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
