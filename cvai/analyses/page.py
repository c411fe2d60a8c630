"""How the reader's page shows an analysis: its contours, its curve, its numbers, as plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Along = Literal["phases", "slices"]
"""Phases of one slice, or frames of a loop; or slices of one phase."""

NAME, COLOUR = re.compile(r"[a-z][a-z0-9_]*"), re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Number:
    """A measurement as the page lists it.

    Args:
        name: of the measurement.
        title: for readers.
        decimals: digits after the point.
    """

    name: str
    title: str
    decimals: int = 1


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the impression that the page proposes.

    Args:
        subject: what it is about, for readers.
        numbers: measurements in its order, those by body surface excepted; left out where none was made.
    """

    subject: str
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """The measurement that lists, trends and agreement go by.

    Args:
        name: of the measurement.
        title: for readers.
        short: the same in a narrow column.
        unit: for readers.
        decimals: digits after the point on the page of a study.
        decimals_listed: in lists and trends.
    """

    name: str
    title: str
    short: str
    unit: str
    decimals: int = 1
    decimals_listed: int = 0


@dataclass(frozen=True, slots=True)
class Layer:
    """A contour.

    Args:
        name: stable, of small letters, digits and underscores.
        title: for readers.
        colour: as ``#rrggbb``.
        labels: of the pixels within it; what is drawn gets the first.
        spares: labels of other layers that it does not take pixels from when it grows.
        leaves: label of the pixels that it withdraws from; None for that of the nearest pixel outside.
        editable: whether a reader may change it.

    Raises:
        ValueError: the name or the colour is of another form, or there is no label.
    """

    name: str
    title: str
    colour: str
    labels: tuple[int, ...]
    spares: tuple[int, ...] = ()
    leaves: int | None = 0
    editable: bool = True

    def __post_init__(self) -> None:
        if NAME.fullmatch(self.name) is None or COLOUR.fullmatch(self.colour) is None:
            raise ValueError(f"layer {self.name!r} of colour {self.colour!r}")
        if not self.labels or min(self.labels) < 1:
            raise ValueError(f"layer {self.name} has the labels {self.labels}")


@dataclass(frozen=True, slots=True)
class CurveLine:
    """A structure in every phase: the pixels of one label."""

    label: int
    colour: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn over the heartbeat.

    Args:
        title: for readers.
        quantity: ``volume`` in mL; ``area`` in cm2, in percent of the largest where pixels have no size.
        lines: the first has dots.
    """

    title: str
    quantity: Literal["volume", "area"]
    lines: tuple[CurveLine, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """A curve that was measured on the server, by its name in ``ShownLoop.traces``."""

    name: str
    title: str
    colour: str


@dataclass(frozen=True, slots=True)
class Traces:
    """Curves of a loop below the one that the page counts from labels.

    Args:
        title: for readers.
        unit: for readers.
        lines: the first has dots.
        missing: what is said of a loop without them.
    """

    title: str
    unit: str
    lines: tuple[Trace, ...]
    missing: str


@dataclass(frozen=True, slots=True)
class Chamber:
    """Volumes that the page counts while a contour is dragged, see ``ventricle_measurements``.

    Args:
        prefix: of the names of the measurements.
        label: of the cavity.
    """

    prefix: str
    label: int


@dataclass(frozen=True, slots=True)
class Mass:
    """A mass that the page counts while a contour is dragged, at end-diastole.

    Args:
        name: of the measurement.
        label: of the tissue.
        g_per_ml: its density.
    """

    name: str
    label: int
    g_per_ml: float


@dataclass(frozen=True, slots=True)
class Live:
    """A preview of what is measured anew on the server once a change has been saved."""

    chambers: tuple[Chamber, ...] = ()
    masses: tuple[Mass, ...] = ()


@dataclass(frozen=True, slots=True)
class SlicePart:
    """What a key puts into or takes out of one slice in one phase.

    Args:
        layer: name of the contour that encloses all of it.
        title: for readers.
        key: on the keyboard.
        numbers: shown with the slice and without it before the change is accepted, see ``Live``.
    """

    layer: str
    title: str
    key: str
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a measurement for each column; left out where none was made."""

    title: str
    names: tuple[str, ...]
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """The table of measurements: titles of columns, and rows."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """A curve of result.json, by its name there."""

    name: str
    title: str
    colour: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class RecordedCurve:
    """Curves of result.json that are drawn together over the heartbeat; the first has dots."""

    title: str
    unit: str
    lines: tuple[RecordedLine, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """More measurements below the table, under a title of their own; left out where none was made.

    Args:
        title: for readers.
        table: of measurements.
        curve: above the table; None without one.
        note: below the table.
    """

    title: str
    table: Table
    curve: RecordedCurve | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class OverlayLine:
    """How lines of one name are drawn; the width is in CSS pixels."""

    name: str
    colour: str
    width: float


@dataclass(frozen=True, slots=True)
class Overlay:
    """Lines that are drawn on every frame of a loop besides its contours.

    Args:
        title: of the button that hides them.
        key: on the keyboard that does.
        lines: the names that ``ShownLoop.lines`` uses.
    """

    title: str
    key: str
    lines: tuple[OverlayLine, ...]
