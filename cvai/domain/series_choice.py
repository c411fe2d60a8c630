"""A person's choice of the images that are measured, or that they read a refused study by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime

from cvai.domain.findings import Finding, Severity
from cvai.domain.message import say

READ_BY_HAND = "read_by_hand"
"""Code of the finding that says how all numbers came about."""


@dataclass(frozen=True, slots=True)
class SeriesChoice:
    """Which images a person wants measured: a series, or loops or frames where an analysis measures those.

    Args:
        series_uid: SeriesInstanceUID; that of the loop or frame chosen last. Empty where a study is read by
            hand and the software chooses.
        by: DICOM person name or account of who chose it.
        at: when, with its time zone.
        loops: SOPInstanceUIDs in the order in which they were chosen; of two of one view the last one counts.
        views: SOPInstanceUID and view of loops whose view the person states, since the model sees none or
            nothing of a model is shown.
        by_hand: code of the refusal in spite of which the study is opened: nothing is measured of it but what
            a reader draws. Empty where the software measures.
        frames: SOPInstanceUID of runs, and the frame of each that is measured, 0-based.

    Raises:
        ValueError: nobody chose it, or the time has no zone.
    """

    series_uid: str
    by: str
    at: datetime
    loops: tuple[str, ...] = ()
    views: tuple[tuple[str, str], ...] = ()
    by_hand: str = ""
    frames: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not ((self.series_uid or self.by_hand) and self.by.strip()):
            raise ValueError("a choice names a series and a person")
        if self.at.tzinfo is None:
            raise ValueError("the time of a choice must state its time zone")

    def after(self, before: SeriesChoice | None) -> SeriesChoice:
        """The same choice with loops and frames of an earlier one, which stay for other views and runs."""
        if before is None or before.by_hand != self.by_hand:
            return self
        if self.frames:
            return replace(self, frames=tuple((dict(before.frames) | dict(self.frames)).items()))
        if not self.loops:
            return self
        kept = tuple(uid for uid in before.loops if uid not in self.loops)
        views = tuple((uid, view) for uid, view in before.views if uid in kept)
        return replace(self, loops=(*kept, *self.loops), views=(*views, *self.views))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a person chose, who, and when."""
        who, when = " ".join(self.by.replace("^", " ").split()), f"{self.at:%Y-%m-%d %H:%M %Z}"
        found = []
        if self.frames:
            message = say(
                "The measured frame was chosen by {who} on {when}, not by the software.", who=who, when=when
            )
            found.append(Finding("series_chosen_by_reader", Severity.INFO, message))
        elif self.loops and not self.by_hand:
            message = say("Loop chosen by {who} on {when}, not by the software.", who=who, when=when)
            found.append(Finding("series_chosen_by_reader", Severity.INFO, message))
        elif self.series_uid and not self.loops:
            message = say("Series chosen by {who} on {when}, not by its headers.", who=who, when=when)
            found.append(Finding("series_chosen_by_reader", Severity.INFO, message))
        if self.views and self.by_hand:
            message = say("{who} stated on {when} which view each loop shows.", who=who, when=when)
            found.append(Finding("view_stated_by_reader", Severity.INFO, message))
        elif self.views:
            message = say(
                "{who} stated on {when} which view the loop shows; the model sees neither apical view in it. "
                "Look at its contours first: its numbers have no interval.",
                who=who,
                when=when,
            )
            found.append(Finding("view_stated_by_reader", Severity.WARNING, message))
        if self.by_hand:
            message = say(
                "The software refused this study ({code}); {who} opened it on {when} to be drawn by hand.",
                code=self.by_hand,
                who=who,
                when=when,
            )
            found.append(Finding(READ_BY_HAND, Severity.WARNING, message))
        return tuple(found)

    def to_text(self) -> str:
        """JSON on one line, the same for the same choice; ids of jobs are made from it."""
        values = {"series_uid": self.series_uid, "by": self.by, "at": self.at.isoformat()}
        optional = {
            "loops": self.loops,
            "views": self.views,
            "frames": self.frames,
            "by_hand": self.by_hand,
        }
        return json.dumps({**values, **{n: v for n, v in optional.items() if v}}, sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> SeriesChoice:
        """Inverse of ``to_text``."""
        values = json.loads(text)
        at, loops = datetime.fromisoformat(values["at"]), tuple(values.get("loops", ()))
        views, frames = (tuple(map(tuple, values.get(name, ()))) for name in ("views", "frames"))
        return cls(**{**values, "at": at, "loops": loops, "views": views, "frames": frames})
