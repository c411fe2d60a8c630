"""The error of what remains when the most doubtful patients are withheld, as a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cvai.training.evaluation.cases import Quantity
from cvai.training.evaluation.coverage import Coverage, Rows

_MODEL, _BEST, _ALL = "#0072b2", "#999999", "#d55e00"


def risk_figure(coverage: Coverage, quantities: Mapping[str, Quantity]) -> Figure | None:
    """One plot for each main quantity whose intervals differ; None where there is none."""
    shown = {name: rows for name, rows in coverage.graded.items() if quantities[name].is_main}
    if not shown:
        return None
    figure = Figure(figsize=(5.2 * len(shown), 4.2), layout="constrained")
    for axis, (name, rows) in zip(
        figure.subplots(1, len(shown), squeeze=False).flat, shown.items(), strict=True
    ):
        _plot(axis, rows)
        axis.set_title(quantities[name].title, fontsize=10, loc="left")
    figure.supxlabel("patients withheld, widest intervals first (%)", fontsize=10)
    figure.supylabel("mean absolute error of the others", fontsize=10)
    return figure


def _plot(axis: Axes, rows: Rows) -> None:
    n = len(rows)
    withheld = 100.0 * (1.0 - np.arange(1, n + 1) / n)
    axis.plot(withheld, _running_mean(rows[:, 1]), color=_MODEL, label="by width of the interval")
    axis.plot(withheld, _running_mean(np.sort(rows[:, 1])), color=_BEST, label="if errors were known")
    axis.axhline(rows[:, 1].mean(), color=_ALL, linestyle="--", linewidth=1, label="at random")
    axis.set_xlim(0, 100)
    axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)


def _running_mean(errors: Rows) -> Rows:
    return np.asarray(np.cumsum(errors) / np.arange(1, len(errors) + 1))
