"""Bland-Altman plots: the difference of every patient against the size of what is measured."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cvai.training.evaluation.agreement import Agreement, Pairs
from cvai.training.evaluation.bootstrap import Estimate
from cvai.training.tasks.sax.evaluation.quantities import QUANTITIES

_COLUMNS = 5
_LINE = "#444444"
_MARKERS = (
    ("#0072b2", "o"),
    ("#d55e00", "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#e69f00", "v"),
    ("#56b4e9", "P"),
)
"""Colour (Okabe and Ito's palette) and shape of each disease group, used again after six."""

Marker = tuple[str, str]


def bland_altman_figure(pairs: Mapping[str, Pairs], agreement: Mapping[str, Agreement]) -> Figure:
    """One plot a quantity, left ventricle above, right one below; groups by colour and shape."""
    figure = Figure(figsize=(16, 6.4), layout="constrained")
    axes = figure.subplots(2, _COLUMNS)
    groups = sorted({group for each in pairs.values() for group in each.groups})
    markers = {group: _MARKERS[k % len(_MARKERS)] for k, group in enumerate(groups)}
    for axis, name in zip(axes.flat, QUANTITIES, strict=False):
        axis.set_title(QUANTITIES[name], fontsize=10, loc="left")
        if name in pairs:
            _plot(axis, pairs[name], agreement[name], markers)
        else:
            axis.text(0.5, 0.5, "not measured", ha="center", transform=axis.transAxes)
    _explain(axes.flat[-1], markers)
    figure.supxlabel("mean of measured and reference", fontsize=10)
    figure.supylabel("measured minus reference", fontsize=10)
    return figure


def _plot(axis: Axes, pairs: Pairs, agreement: Agreement, markers: Mapping[str, Marker]) -> None:
    middle = (pairs.measured + pairs.reference) / 2
    for x, y, group in zip(middle, pairs.difference, pairs.groups, strict=True):
        colour, shape = markers[group]
        axis.plot(x, y, shape, color=colour, markersize=5, markeredgecolor="white", markeredgewidth=0.5)
    _line(axis, agreement.bias, "-")
    _line(axis, agreement.limit_low, "--")
    _line(axis, agreement.limit_high, "--")
    where = pairs.patients.index(agreement.worst_patient)
    offset = 4 if agreement.worst < 0 else -10
    axis.annotate(
        agreement.worst_patient,
        (middle[where], agreement.worst),
        xytext=(0, offset),
        textcoords="offset points",
        fontsize=7,
        ha="center",
    )
    axis.margins(x=0.18, y=0.12)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _line(axis: Axes, at: Estimate, style: str) -> None:
    """A line across, its value right of the axes, and its interval as a bar between them."""
    if at.value is None:
        return
    axis.axhline(at.value, color=_LINE, linestyle=style, linewidth=1)
    beside = axis.get_yaxis_transform()
    axis.text(1.05, at.value, f"{at.value:+z.1f}", transform=beside, fontsize=8, va="center")
    if at.interval is not None:
        axis.plot([1.02] * 2, at.interval, "_-", color=_LINE, transform=beside, clip_on=False)


def _explain(axis: Axes, markers: Mapping[str, Marker]) -> None:
    axis.axis("off")
    for group, (colour, shape) in markers.items():
        axis.plot([], [], shape, color=colour, label=group)
    axis.plot([], [], "-", color=_LINE, label="bias")
    axis.plot([], [], "--", color=_LINE, label="95 % limits of agreement")
    axis.plot([], [], "|-", color=_LINE, label="their 95 % bootstrap intervals")
    axis.legend(loc="center left", frameon=False, fontsize=9)
