"""Files that could not be read are counted on the page of a study."""

from __future__ import annotations

from typing import Any

from cvai.dicom.write.result_json import Status, StudyStatement, study_record
from cvai.domain.message import say
from cvai.errors import FileRefused
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.review.summary import Identity, Summary
from cvai.review.wording import render

GROUPS = [
    {"code": "not_dicom", "count": 2, "message": "File 3 of 9 is not a DICOM file but text."},
    {"code": "empty_file", "count": 1, "message": "File 4 of 9 is empty."},
]


class Record:
    """As much of a job as the page asks for."""

    job = StudyJob("1.2.3", "ab" * 32, "cd" * 32)
    outcome = Outcome(JobState.REFUSED, "no_cine", "The study holds no cine.", "Send it.")
    ended_at = None


def shown(result: dict[str, Any]) -> str:
    return render("unreadable.html", summary=Summary(Record(), result, Identity()))  # type: ignore[arg-type]


def test_files_that_could_not_be_read_are_counted_with_their_reasons() -> None:
    text = shown({"unreadable": GROUPS})
    assert "3 files could not be read" in text
    assert "is not a DICOM file but text." in text
    assert "and 1 more like it" in text
    assert "empty_file" in text


def test_reasons_are_said_in_the_reader_s_language() -> None:
    label = say("File {ordinal} of {n_files}", ordinal=1, n_files=2)
    other = say(" but {kind}", kind=say("text"))
    message = say("{label} is not a DICOM file{other}.", label=label, other=other)
    refusal = FileRefused("not_dicom", message)
    record = study_record(StudyStatement("1.2", None, (refusal,)), Status.REFUSED)
    summary = Summary(Record(), record, Identity())  # type: ignore[arg-type]
    text = render("unreadable.html", "de", summary=summary)
    assert "Datei 1 von 2 ist keine DICOM-Datei, sondern Text." in text


def test_one_file_is_one_file() -> None:
    assert "1 file could not be read" in shown({"unreadable": GROUPS[1:]})


def test_nothing_is_shown_where_everything_was_read_or_the_result_is_older() -> None:
    assert shown({"unreadable": []}).strip() == shown({}).strip() == ""
