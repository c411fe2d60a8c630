"""A job and what may become of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from cvai.errors import CvaiError


class JobState(StrEnum):
    """Where a job stands. The first two go on by themselves, the others are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    ANALYSED = "analysed"
    """The objects stand in the archive."""
    REFUSED = "refused"
    """The study cannot be measured honestly; trying again with the same study changes nothing."""
    SUPERSEDED = "superseded"
    """The study has changed since: a newer job speaks for it."""
    FAILED = "failed"
    """Something is broken that has to be mended first, then ``cvai jobs retry``."""
    NOTHING_TO_DO = "nothing_to_do"
    """The study holds nothing that this analysis measures, which could not be known as the job was made."""
    DEAD_LETTER = "dead_letter"
    """The archive stayed away for too long, or the worker died too often; ``cvai jobs retry``."""


UNLISTED = "unlisted"
"""In place of the digest of a study that the archive announced and then would not list."""


def jobs_digest(sha256s: Sequence[str]) -> str:
    """One digest of all models at work, as jobs without a kind were named by.

    >>> jobs_digest(["ab" * 32]) == "ab" * 32
    True
    >>> jobs_digest(["ab" * 32, "cd" * 32])[:12]
    'dcd7d37b4a82'
    """
    return sha256s[0] if len(sha256s) == 1 else hashlib.sha256("".join(sha256s).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StudyJob:
    """One analysis of one study as it was at one moment.

    Args:
        study_uid: StudyInstanceUID.
        digest: hex digest of the study's sources, see ``StudyContent.digest``; or UNLISTED, then the study is
            analysed as it is found.
        model_sha256: hex digest of the model, see ``Installed.sha256``; without a kind of all models at work,
            see ``jobs_digest``.
        kind: which analysis, see ``Installed.kind``; empty in jobs of older versions, which did all
            FORMER_KINDS in one.
    """

    study_uid: str
    digest: str
    model_sha256: str
    kind: str = ""

    @property
    def job_id(self) -> str:
        """Names the job in the database, in logs and on disk: equal jobs are one job."""
        parts = (self.study_uid, self.digest[:12], self.kind, self.model_sha256[:12])
        return "-".join(part for part in parts if part)

    @property
    def arguments(self) -> tuple[str, ...]:
        """As the workflow is given it; jobs of older versions have three arguments."""
        values = (self.study_uid, self.digest, self.model_sha256)
        return (*values, self.kind) if self.kind else values

    def to_json(self) -> dict[str, str]:
        """As JSON values. Without a kind as older versions wrote it: digests of readings are made of it."""
        return {name: value for name, value in asdict(self).items() if value or name != "kind"}


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
        state: ``running`` when the next step is to follow.
        code: stable code of the error, empty where there was none.
        message: the error's sentence.
        hint: what to do about it.
        result: path of result.json relative to the results folder, empty when none was written.
        objects: what is stored in the archive; of a refused study at most a note that withdraws earlier
            results.
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
        """The outcome as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Outcome:
        """The outcome as it was written by ``to_json``."""
        objects = tuple(JobObject(**item) for item in values["objects"])
        successors = tuple(values.get("successors", ()))
        state = JobState(values["state"])
        return cls(**{**values, "state": state, "objects": objects, "successors": successors})


DIED = Outcome(
    JobState.DEAD_LETTER,
    "worker_died",
    "the worker died each time it worked on this study.",
    "See the service's log and the machine's (out of memory?), then cvai jobs retry.",
)
