"""Jobs and their outcomes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from cvai.domain.message import message_of, message_record, say
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import CvaiError


class JobState(StrEnum):
    """State of a job; all but the first two are final."""

    QUEUED = "queued"
    RUNNING = "running"
    ANALYSED = "analysed"
    """The objects are in the archive."""
    WITHHELD = "withheld"
    """The analysis is stopped: what it measured is kept and goes nowhere, see ``Stops``."""
    CANCELED = "canceled"
    """Nobody wants the result any more, see ``Cancellations``; nothing was stored."""
    REFUSED = "refused"
    """The study cannot be measured reliably; a retry with the same study changes nothing."""
    SUPERSEDED = "superseded"
    """The study or the model has changed; a newer job takes over."""
    FAILED = "failed"
    """A fault to be fixed first, then ``cvai jobs retry``."""
    NOTHING_TO_DO = "nothing_to_do"
    """The study has nothing that this analysis measures, which its listing did not show."""
    DEAD_LETTER = "dead_letter"
    """The archive was unavailable for too long, or workers died too often; ``cvai jobs retry``."""


UNLISTED = "unlisted"
"""In place of the digest of a study that the archive announced but did not list."""


def jobs_digest(sha256s: Sequence[str]) -> str:
    """One digest of all installed models, as in the ids of jobs without a kind.

    >>> jobs_digest(["ab" * 32]) == "ab" * 32
    True
    >>> jobs_digest(["ab" * 32, "cd" * 32])[:12]
    'dcd7d37b4a82'
    """
    return sha256s[0] if len(sha256s) == 1 else hashlib.sha256("".join(sha256s).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StudyJob:
    """One analysis of one study in one state of its content.

    Args:
        study_uid: StudyInstanceUID.
        digest: hex digest of the study's sources, see ``StudyContent.digest``; or UNLISTED, then the study is
            analysed in whatever state it is.
        model_sha256: hex digest of the model, see ``Installed.sha256``; without a kind see
            ``jobs_digest``.
        kind: which analysis, see ``Installed.kind``; empty in jobs of older versions, which did all
            FORMER_KINDS in one.
        chosen: ``SeriesChoice.to_text`` of what a person chose; empty where the analysis chooses.
    """

    study_uid: str
    digest: str
    model_sha256: str
    kind: str = ""
    chosen: str = ""

    @property
    def job_id(self) -> str:
        """Identifies the job in the database, in logs and on disk."""
        choice = hashlib.sha256(self.chosen.encode()).hexdigest()[:12] if self.chosen else ""
        parts = (self.study_uid, self.digest[:12], self.kind, self.model_sha256[:12], choice)
        return "-".join(part for part in parts if part)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments of the workflow; jobs of older versions have three, those of a chosen series five."""
        values = (self.study_uid, self.digest, self.model_sha256)
        return (*values, *filter(None, (self.kind, self.chosen)))

    @property
    def choice(self) -> SeriesChoice | None:
        """What a person chose; None where the analysis chooses."""
        return SeriesChoice.from_text(self.chosen) if self.chosen else None

    @property
    def is_read_by_hand(self) -> bool:
        """Whether a reader draws what is measured, see ``SeriesChoice.by_hand``."""
        return self.choice is not None and bool(self.choice.by_hand)

    def to_json(self) -> dict[str, str]:
        """JSON values; what older versions did not have is omitted where empty, which keeps digests."""
        optional = ("kind", "chosen")
        return {name: value for name, value in asdict(self).items() if value or name not in optional}


def is_of_choice(job_id: str) -> bool:
    """Whether a job measures, or was to measure, a series that a person chose.

    >>> is_of_choice(StudyJob("1.2", "ab" * 32, "cd" * 32, "kind").job_id)
    False
    """
    return job_id.count("-") == _HYPHENS_OF_CHOICE


_HYPHENS_OF_CHOICE = 4


def standing(job_id: str, state: JobState) -> JobState:
    """The state of a job among the others of its study: a choice that gave no result leaves the earlier one.

    >>> str(standing("1.2-ab-kind-cd-ef", JobState.REFUSED))
    'superseded'
    """
    without_result = state not in (JobState.QUEUED, JobState.RUNNING, JobState.ANALYSED, JobState.WITHHELD)
    return JobState.SUPERSEDED if without_result and is_of_choice(job_id) else state


@dataclass(frozen=True, slots=True)
class JobObject:
    """One DICOM object of a job, its path relative to the results folder."""

    kind: str
    sop_instance_uid: str
    path: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job, or one step of it, ended.

    Args:
        state: ``running`` when another step follows.
        code: stable code of the error, empty where there was none.
        message: what went wrong, one sentence.
        hint: what to do about it.
        result: path of result.json relative to the results folder, empty when none was written.
        objects: stored in the archive; for a refused study at most a note that withdraws earlier results.
        images: digest of the images that were analysed, see ``images_digest``; empty in what older versions
            wrote.
        successors: kinds whose jobs take the place of a superseded one.
    """

    state: JobState
    code: str = ""
    message: str = ""
    hint: str = ""
    result: str = ""
    objects: tuple[JobObject, ...] = field(default=())
    images: str = ""
    successors: tuple[str, ...] = field(default=())

    @classmethod
    def because(cls, state: JobState, error: CvaiError) -> Outcome:
        """The end that ``error`` brought about."""
        return cls(state, error.code, error.message, error.hint)

    def to_json(self) -> dict[str, Any]:
        """The outcome as JSON values; what messages were made from is beside them, for other languages."""
        texts = {"message": message_record(self.message), "hint": message_record(self.hint)}
        plain = {**asdict(self), "message": str(self.message), "hint": str(self.hint)}
        return {**plain, "texts": texts} if any(texts.values()) else plain

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Outcome:
        """Inverse of ``to_json``."""
        objects = tuple(JobObject(**item) for item in values["objects"])
        successors = tuple(values.get("successors", ()))
        state = JobState(values["state"])
        said = {name: message_of(text) for name, text in values.get("texts", {}).items() if text}
        plain = {name: value for name, value in values.items() if name != "texts"}
        return cls(**{**plain, **said, "state": state, "objects": objects, "successors": successors})


DIED = Outcome(
    JobState.DEAD_LETTER,
    "worker_died",
    say("the worker died each time it worked on this study."),
    say("See the service's log and the machine's (out of memory?), then cvai jobs retry."),
)
