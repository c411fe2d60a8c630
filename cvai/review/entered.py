"""What readers enter by hand about a patient, and what an analysis measures with it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from cvai.analyses.registry import AnyEditing
from cvai.dicom.read.header.text import one_line
from cvai.dicom.write.result_json import analysed_record
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.subject import ENTERED, Entered
from cvai.errors import CvaiError, RequestInvalid
from cvai.jobs.signing import measured_again
from cvai.review.page import Json, Page
from cvai.review.sign_in.accounts import Reader
from cvai.review.statements import Written
from cvai.review.study import found_beats, pack_of
from cvai.review.summary import Summary

ENTRY = "entered"
"""What statements of this kind are called in the database; they are about a study."""


class EntryBody(BaseModel):
    """What a reader enters, and which entry they knew of; None where nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    after: int = Field(ge=0)
    height_m: float | None = None
    weight_kg: float | None = None
    systolic_mmhg: float | None = None
    diastolic_mmhg: float | None = None
    haematocrit_percent: float | None = None
    heart_rate_bpm: float | None = None

    @property
    def values(self) -> dict[str, float]:
        """By name of the field of ``Entered``."""
        return self.model_dump(include=set(ENTERED), exclude_none=True)


def entry_of(page: Page, summary: Summary) -> Written | None:
    """The entry that stands for the study; None where there is none, or it was taken back."""
    written = page.statements.last(summary.record.job.study_uid, ENTRY)
    return written if written is not None and written.body else None


def entry_json(page: Page, summary: Summary) -> Json:
    """Number of the last entry, and which fields may be entered with what stands in them."""
    written = page.statements.last(summary.record.job.study_uid, ENTRY)
    return {
        "number": 0 if written is None else written.number,
        "fields": {name: (written.body if written else {}).get(name) for name in open_fields(summary)},
    }


def open_fields(summary: Summary) -> tuple[str, ...]:
    """What may be entered: what neither images nor reports state."""
    body = summary.result.get("body") or {}
    entered = (body.get("entered") or {}).get("values", {})
    stated = {name for name in ENTERED if body.get(name) is not None}
    if "heart_rate" in summary.measurements:
        stated.add("heart_rate_bpm")
    return tuple(name for name in ENTERED if name not in stated or name in entered)


def with_entered(page: Page, summary: Summary) -> Summary:
    """The study with what was entered: its numbers by body surface, and what else follows.

    Intervals stay those of the model. Where the images cannot be read at the moment, nothing is added.
    """
    written = entry_of(page, summary)
    if written is None or summary.editing is None:
        return summary
    result = page.entries.get(summary.job_id, written.number)
    if result is None:
        with suppress(CvaiError):
            result = _measured(
                page,
                summary,
                summary.editing,
                Entered(one_line(written.person_name), written.at, **written.body),
            )
            page.entries.put(summary.job_id, written.number, result)
    return summary if result is None else replace(summary, result=result)


def enter(page: Page, summary: Summary, reader: Reader, body: EntryBody) -> None:
    """Keep what a reader has entered.

    Raises:
        RequestInvalid: ``entry_invalid``: a value that no person has, or that is stated already.
        Outdated: ``stated_meanwhile``.
    """
    if summary.editing is None:
        raise RequestInvalid("study_unknown", "This study has no contours.", "Its numbers can be read.")
    if stated := sorted(set(body.values) - set(open_fields(summary))):
        raise _invalid(f"{', '.join(stated)} is stated by the study itself")
    if body.values:
        _require_usable(page, summary, summary.editing, reader, body.values)
    about = summary.record.job.study_uid
    page.statements.add(about, ENTRY, reader, body.values, body.after)


def _require_usable(
    page: Page, summary: Summary, editing: AnyEditing, reader: Reader, values: Mapping[str, float]
) -> None:
    try:
        entered = Entered(one_line(reader.person_name), page.statements.now(), **values)
    except ValueError as error:
        raise _invalid(str(error)) from error
    found = _measured(page, summary, editing, entered)["body"]["entered"]
    if found is None or set(found["values"]) != set(values):
        raise _invalid("height and weight are not those of one person")


def _invalid(what: str) -> RequestInvalid:
    return RequestInvalid("entry_invalid", f"This cannot be entered: {what}.", "Check the values and units.")


def _measured(page: Page, summary: Summary, editing: AnyEditing, entered: Entered) -> Json:
    """The result with the model's contours and what was entered."""
    analysis = measured_again(
        editing,
        page.cines.reopen(summary.record),
        (),
        beats=found_beats(summary, pack_of(page, summary)),
        model=ModelIdentity(**summary.result["model"]),
        factors=dict(summary.result.get("factors") or {}),
        chosen={},
        entered=entered,
    )
    again = analysed_record(analysis, [], {})
    known = {m["name"]: m for m in summary.result["measurements"]}
    codes = {finding["code"] for finding in summary.result["findings"]}
    added = [finding for finding in again["findings"] if finding["code"] not in codes]
    return {
        **summary.result,
        "measurements": [known.get(m["name"], m) for m in again["measurements"]],
        "findings": [*summary.result["findings"], *added],
        "body": again["body"],
    }
