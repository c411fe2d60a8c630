"""A reader's decision about an analysed study, with all that a worker needs to store it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from cvai.analyses.spec import STACK
from cvai.domain.impression import Impression
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.subject import Entered
from cvai.jobs.job import StudyJob

Stated = TypeVar("Stated", Impression, Entered)


class Verdict(StrEnum):
    """A reader's decision about an analysis."""

    ACCEPTED = "accepted"
    CHANGED = "changed"
    """Accepted after contours, phases or grades were corrected."""
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Signer:
    """The person who signs, as named in the report.

    Args:
        name: DICOM person name, ``Family^Given``.
        organization: on whose behalf.

    Raises:
        ValueError: one of them is empty.
    """

    name: str
    organization: str

    def __post_init__(self) -> None:
        if not (self.name.strip() and self.organization.strip()):
            raise ValueError("a signer has a name and an organization")


@dataclass(frozen=True, slots=True)
class FrameEdit:
    """All labels of one corrected frame, as pixels rather than contours.

    Args:
        t: 0-based phase.
        z: 0-based slice, 0 of a loop.
        runs: as ``cvai.domain.runs.encoded_runs`` gives them.
        view: of the loop; ``STACK`` where the frame is of a stack.
        carried_from: phase and slice whose correction was carried on to this frame; None for one by hand.
    """

    t: int
    z: int
    runs: tuple[int, ...]
    view: str = STACK
    carried_from: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A signed decision.

    Args:
        job: the analysis that was read.
        model: that drew the contours, or ``ModelIdentity.of_hand``.
        segmentation_uid: SOPInstanceUID of the SEG the contours were read from, of several the first; empty
            where the reader drew all of them.
        replaces: SOPInstanceUIDs of the objects that were read: a new document supersedes the structured
            reports among them, a rejection withdraws them all.
        verdict: what was decided.
        signer: who signed.
        signed_at: when, with its time zone.
        phases: end-diastole and end-systole, possibly corrected; of several beats the first.
        edits: every frame that differs from the model's; of a rejection of what was read by hand, as it was
            signed.
        reason: why it was rejected; free text without patient data.
        images: digest of the images that were analysed, see ``images_digest``.
        segmentations: SOPInstanceUID by kind, where each view has a SEG of its own.
        beats: end-diastole and end-systole of every beat by view, where there are views.
        factors: see ``Analysed.factors``.
        chosen: scores that the signer gave instead of the proposals, by name of the measurement.
        impression: what the reader concludes; None where nothing is stated.
        entered: what was entered by hand about the patient; None where nothing.

    Raises:
        ValueError: a rejection without a reason or with an impression, edits or scores under a verdict that
            has none, or a time without zone.
    """

    job: StudyJob
    model: ModelIdentity
    segmentation_uid: str
    replaces: tuple[str, ...]
    verdict: Verdict
    signer: Signer
    signed_at: datetime
    phases: KeyPhases
    edits: tuple[FrameEdit, ...] = ()
    reason: str = ""
    images: str = ""
    segmentations: Mapping[str, str] = field(default_factory=dict)
    beats: Mapping[str, tuple[KeyPhases, ...]] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, float] = field(default_factory=dict)
    impression: Impression | None = None
    entered: Entered | None = None

    def __post_init__(self) -> None:
        if self.verdict is Verdict.REJECTED and not self.reason.strip():
            raise ValueError("a rejection has a reason")
        if self.verdict is Verdict.REJECTED and self.impression is not None:
            raise ValueError("a rejection has no impression")
        is_by_hand = self.verdict is Verdict.REJECTED and self.job.is_read_by_hand
        if (self.edits or self.chosen) and self.verdict is not Verdict.CHANGED and not is_by_hand:
            raise ValueError(f"a reading that is {self.verdict} has no edits")
        if self.signed_at.tzinfo is None:
            raise ValueError("signed_at must state its time zone")

    @property
    def beats_by_view(self) -> Mapping[str, tuple[KeyPhases, ...]]:
        """``beats``, or the phases of a stack as its beat."""
        return self.beats or {STACK: (self.phases,)}

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the decision; UIDs of signed objects are derived from it."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    @property
    def reading_id(self) -> str:
        """Identifies the reading in the database, in logs and on disk."""
        return f"{self.job.job_id}-{self.verdict}-{self.digest[:12]}"

    def to_json(self) -> dict[str, Any]:
        """JSON values; what older versions did not have is omitted where it is empty, which keeps digests."""
        model = {name: value for name, value in asdict(self.model).items() if value is not None}
        values = {
            **asdict(self),
            "model": model,
            "job": self.job.to_json(),
            "signed_at": self.signed_at.isoformat(),
            "edits": [_without_empty(asdict(edit), ("view", "carried_from")) for edit in self.edits],
            "impression": _dated_json(self.impression),
            "entered": _dated_json(self.entered),
        }
        optional = ("images", "segmentations", "beats", "factors", "chosen", "impression", "entered")
        return _without_empty(values, optional)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Reading:
        """Inverse of ``to_json``."""
        return cls(
            job=StudyJob(**values["job"]),
            model=ModelIdentity(**values["model"]),
            segmentation_uid=values["segmentation_uid"],
            replaces=tuple(values["replaces"]),
            verdict=Verdict(values["verdict"]),
            signer=Signer(**values["signer"]),
            signed_at=datetime.fromisoformat(values["signed_at"]),
            phases=KeyPhases(**values["phases"]),
            edits=tuple(map(_edit, values["edits"])),
            reason=values["reason"],
            images=values.get("images", ""),
            segmentations=values.get("segmentations", {}),
            beats={view: _beats(of_view) for view, of_view in values.get("beats", {}).items()},
            factors=values.get("factors", {}),
            chosen=values.get("chosen", {}),
            impression=_dated(Impression, values.get("impression")),
            entered=_dated(Entered, values.get("entered")),
        )


def _edit(values: Mapping[str, Any]) -> FrameEdit:
    source = values.get("carried_from")
    as_tuples = {"runs": tuple(values["runs"]), "carried_from": tuple(source) if source else None}
    return FrameEdit(**{**values, **as_tuples})


def _dated_json(stated: Impression | Entered | None) -> dict[str, Any] | None:
    return None if stated is None else {**asdict(stated), "at": stated.at.isoformat()}


def _dated(kind: type[Stated], values: Mapping[str, Any] | None) -> Stated | None:
    return None if values is None else kind(**{**values, "at": datetime.fromisoformat(values["at"])})


def _beats(values: Iterable[Mapping[str, int]]) -> tuple[KeyPhases, ...]:
    return tuple(KeyPhases(**beat) for beat in values)


def _without_empty(values: dict[str, Any], optional: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value or name not in optional}
