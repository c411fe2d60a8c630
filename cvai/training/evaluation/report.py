"""What an evaluation found, as it is printed, written and compared, whatever was evaluated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from cvai.domain.segmentation import ModelIdentity
from cvai.models.card import UncertaintyCard
from cvai.training.evaluation.bootstrap import Estimate
from cvai.training.evaluation.cases import Case, Quantity

NOT_DEFINED = "–"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text.

    Args:
        title: what it shows.
        header: name of each column; the first one names the rows.
        rows: as many cells as the header has.
        note: one sentence on how to read it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.header) for row in self.rows):
            raise ValueError(f"{self.title}: every row needs {len(self.header)} cells")


def number_cell(value: float | None, form: str) -> str:
    """A number in a table."""
    return NOT_DEFINED if value is None else f"{value:{form}}"


def range_cell(bounds: tuple[float | None, float | None] | None, form: str) -> str:
    """Both ends of an interval."""
    if bounds is None or None in bounds:
        return NOT_DEFINED
    return f"{bounds[0]:{form}} to {bounds[1]:{form}}"


def estimate_cell(estimate: Estimate, form: str) -> str:
    """A number with its interval where it has one."""
    value = number_cell(estimate.value, form)
    return value if estimate.interval is None else f"{value} ({range_cell(estimate.interval, form)})"


def _no_pictures() -> Mapping[str, Figure]:
    return {}


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation of one model.

    Args:
        model: which one ran.
        split: file that lists the patients.
        n_patients: how many there are.
        record: values of evaluation.json; what is not defined is None.
        metrics: the numbers that models are compared by, flat, as an experiment tracker takes them.
        refused: what no heart was found in, each with the code.
        facts: the numbers that a reader looks for first, by title.
        grids: every table, the most important first.
        definitions: of the terms in them.
        calibration: intervals for the model's card; raises ValueError for too few patients.
        pictures: figures by file stem, drawn when they are asked for.
        cases: every patient in the form that all tasks have in common; see ``with_sections``.
        quantities: that cases have, the most important first.
    """

    model: ModelIdentity
    split: str
    n_patients: int
    record: Mapping[str, Any]
    metrics: Mapping[str, float]
    refused: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    grids: tuple[Grid, ...]
    definitions: tuple[tuple[str, str], ...]
    calibration: Callable[[], UncertaintyCard]
    pictures: Callable[[], Mapping[str, Figure]] = _no_pictures
    cases: tuple[Case, ...] = ()
    quantities: Mapping[str, Quantity] = field(default_factory=dict)

    @property
    def record_json(self) -> str:
        """The record as JSON text."""
        return json.dumps(self.record, indent=1, allow_nan=False)
