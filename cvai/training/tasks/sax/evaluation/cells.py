"""The tables of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.training.evaluation.agreement import Agreement
from cvai.training.evaluation.report import Grid, estimate_cell, number_cell, range_cell
from cvai.training.tasks.sax.evaluation.quantities import QUANTITIES
from cvai.training.tasks.sax.evaluation.robustness import Robustness
from cvai.training.tasks.sax.evaluation.scores import PHASES
from cvai.training.tasks.sax.evaluation.summary import ByPhase, Evaluation, Mean, Summary

SHORT_NAMES = {
    Structure.LV_CAVITY: "LV",
    Structure.LV_MYOCARDIUM: "Myo",
    Structure.RV_CAVITY: "RV",
}


def grids(evaluation: Evaluation) -> tuple[Grid, ...]:
    """Every table of the evaluation, the most important first."""
    out = [
        overlap_grid(evaluation.overall),
        agreement_grid(evaluation.agreement),
        parts_grid("By level", "level", {str(k): v for k, v in evaluation.by_level.items()}),
        parts_grid("By disease group", "group", {k: v.summary for k, v in evaluation.by_group.items()}),
    ]
    if evaluation.robustness is not None:
        out.append(robustness_grid(evaluation.robustness))
    return tuple(out)


def overlap_grid(summary: Summary) -> Grid:
    """Dice with its interval, distance and volume error of each structure and phase."""
    rows = [
        (
            f"{SHORT_NAMES[structure]} {phase}",
            estimate_cell(summary.dice[phase][structure].mean, ".3f"),
            _plus_minus(summary.hd95_mm[phase][structure], ".1f"),
            _plus_minus(summary.volume_error_ml[phase][structure], "+z.1f"),
        )
        for structure in SAX_LABELS
        for phase in PHASES
    ]
    return Grid(
        "Overlap",
        ("structure", "Dice (95 % interval)", "HD95 (mm)", "volume error (mL)"),
        tuple(rows),
        "Mean over patients; distances and volume errors with their SD.",
    )


def agreement_grid(agreements: Mapping[str, Agreement]) -> Grid:
    """Bias, spread and worst patient of each quantity."""
    rows = [
        (
            QUANTITIES[name],
            number_cell(a.bias.value, "+z.1f"),
            range_cell(a.bias.interval, "+z.1f"),
            number_cell(a.sd.value, ".1f"),
            number_cell(a.mae.value, ".1f"),
            range_cell((a.limit_low.value, a.limit_high.value), "+z.1f"),
            number_cell(a.correlation.value, ".3f"),
            f"{a.worst:+z.1f}",
            a.worst_patient,
            str(a.n),
        )
        for name, a in agreements.items()
    ]
    return Grid(
        "Measured minus reference",
        ("quantity", "bias", "interval", "SD", "MAE", "95 % limits", "r", "worst", "patient", "n"),
        tuple(rows),
        "Interval: 95 % bootstrap interval of the bias. Limits: bias ± 1.96 SD.",
    )


def parts_grid(title: str, of: str, summaries: Mapping[str, Summary]) -> Grid:
    """Every measure of every structure and phase, for one part of the whole after the other."""
    rows = [
        (name if k == 0 else "", measure, *_by_structure_and_phase(table, form))
        for name, summary in summaries.items()
        for k, (measure, table, form) in enumerate(
            (
                ("Dice", summary.dice, ".3f"),
                ("HD95 (mm)", summary.hd95_mm, ".1f"),
                ("error (mL)", summary.volume_error_ml, "+z.1f"),
            )
        )
    ]
    columns = (f"{SHORT_NAMES[structure]} {phase}" for structure in SAX_LABELS for phase in PHASES)
    return Grid(title, (of, "measure", *columns), tuple(rows))


def _by_structure_and_phase(table: ByPhase, form: str) -> tuple[str, ...]:
    return tuple(
        number_cell(table[phase][structure].mean.value, form) for structure in SAX_LABELS for phase in PHASES
    )


def robustness_grid(robustness: Robustness) -> Grid:
    """Dice and its loss under every condition."""
    rows = [
        (
            changed.title,
            *(number_cell(changed.dice[s], ".3f") for s in SAX_LABELS),
            *(number_cell(changed.loss[s], "+z.3f") for s in SAX_LABELS),
            str(changed.refused),
        )
        for changed in robustness.conditions.values()
    ]
    names = tuple(SHORT_NAMES[s] for s in SAX_LABELS)
    return Grid(
        "The same hearts in other images",
        ("images", *names, *(f"{name} loss" for name in names), "refused"),
        tuple(rows),
        f"Mean Dice over {robustness.volumes} volumes; loss against the unchanged images.",
    )


def _plus_minus(mean: Mean, form: str) -> str:
    value = number_cell(mean.mean.value, form)
    return value if mean.sd is None else f"{value} ± {mean.sd:.1f}"
