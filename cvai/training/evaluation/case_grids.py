"""Tables of what evaluations of every task have in common."""

from __future__ import annotations

from collections.abc import Mapping

from cvai.training.evaluation.cases import Quantity
from cvai.training.evaluation.coverage import FIFTHS, RISK_SHARES, Coverage
from cvai.training.evaluation.gross import Flags
from cvai.training.evaluation.paired import Comparison, PairedDifference
from cvai.training.evaluation.report import NOT_DEFINED, Grid, number_cell, range_cell
from cvai.training.evaluation.subgroups import Subgroup

Quantities = Mapping[str, Quantity]


def comparison_grid(comparison: Comparison, quantities: Quantities) -> Grid:
    """Mean absolute errors and Dice of both models, and whether they differ."""
    rows = [
        *(
            _compared(f"|error| of {quantities[name].title}", found, ".2f")
            for name, found in comparison.absolute_error.items()
        ),
        *(_compared(f"Dice {_words(name)}", found, ".3f") for name, found in comparison.dice.items()),
    ]
    other = comparison.model
    return Grid(
        f"Against {other.name} {other.version} ({other.sha256[:12]})",
        ("mean over patients", "this", "other", "difference", "95 % interval", "p", "n"),
        tuple(rows),
        "This minus other, patient by patient. p: Wilcoxon signed-rank, two-sided, not corrected for the "
        f"{len(rows)} comparisons.",
    )


def flags_grid(flags: Flags, quantities: Quantities) -> Grid:
    """Patients with a gross error or a finding, the largest errors first."""
    title = quantities[flags.quantity].title
    gross = {case.patient for case in flags.gross}
    shown = sorted(
        (case for case in flags.cases if case.patient in gross or case.findings),
        key=lambda case: abs(case.error(flags.quantity) or 0.0),
        reverse=True,
    )
    rows = [
        (
            case.patient,
            number_cell(case.error(flags.quantity), "+z.1f"),
            "yes" if case.findings else "NO",
            ", ".join(case.findings or ()) or NOT_DEFINED,
        )
        for case in shown
    ]
    n_flagged = len(flags.gross) - len(flags.missed)
    return Grid(
        "Warnings",
        ("patient", f"error of {title}", "flagged", "findings"),
        tuple(rows),
        f"{title} off by more than {flags.bound:g}: {len(flags.gross)} patients, {n_flagged} of them "
        f"flagged. Of the other {len(flags.sound)}, {len(flags.false_alarms)} carry a finding (false alarms, "
        "as far as this number goes). Only what the evaluated frames can show is looked for.",
    )


def coverage_grid(coverage: Coverage, quantities: Quantities) -> Grid:
    """How often the interval of each quantity holds, and in each fifth of the half-widths."""
    by_difficulty = coverage.by_difficulty
    rows = []
    for name, held in coverage.held.items():
        fifths = by_difficulty.get(name)
        cells = [NOT_DEFINED] * FIFTHS if fifths is None else [_percent(part.held) for part in fifths]
        rows.append((quantities[name].title, _percent(held), *cells, str(len(coverage.rows[name]))))
    return Grid(
        "Intervals",
        ("quantity", "held", "narrowest fifth", "second", "third", "fourth", "widest fifth", "n"),
        tuple(rows),
        "Share of patients whose reference lies within the interval, over all and by half-width.",
    )


def risk_grid(coverage: Coverage, quantities: Quantities) -> Grid:
    """Mean absolute error of those who remain when the widest intervals are withheld."""
    rows = [
        (quantities[name].title, *(f"{risk.mae:.1f}" for risk in risks))
        for name, risks in coverage.risk.items()
    ]
    return Grid(
        "Error without the most doubtful patients",
        ("quantity", *(f"{100 * share:.0f} % kept" for share in RISK_SHARES)),
        tuple(rows),
        "Mean absolute error; the patients with the widest intervals are withheld first.",
    )


def subgroup_grid(title: str, groups: Mapping[str, Subgroup], quantities: Quantities) -> Grid:
    """A line for each subgroup: overlap, errors and intervals of the main quantities, gross errors."""
    main = {name: quantity for name, quantity in quantities.items() if quantity.is_main}
    heads = [head for quantity in main.values() for head in (f"{quantity.title}, bias ± SD", "held")]
    rows = [
        (
            value,
            str(group.patients),
            number_cell(group.mean_dice, ".3f"),
            *(cell for name in main for cell in (_agreement(group, name), _held(group, name))),
            NOT_DEFINED if group.flags is None else f"{len(group.flags.missed)} of {len(group.flags.gross)}",
        )
        for value, group in groups.items()
    ]
    return Grid(
        f"By {title}",
        (title, "patients", "mean Dice", *heads, "unflagged"),
        tuple(rows),
        "Held: share of patients whose reference lies within the interval. Unflagged: gross errors that no "
        "finding warns of.",
    )


def _compared(title: str, found: PairedDifference, form: str) -> tuple[str, ...]:
    return (
        title,
        f"{found.this:{form}}",
        f"{found.other:{form}}",
        number_cell(found.difference.value, f"+z{form}"),
        range_cell(found.difference.interval, f"+z{form}"),
        number_cell(found.p, ".3f"),
        str(found.n),
    )


def _agreement(group: Subgroup, quantity: str) -> str:
    found = group.agreement.get(quantity)
    return (
        NOT_DEFINED
        if found is None
        else (f"{number_cell(found.bias.value, '+z.1f')} ± {number_cell(found.sd.value, '.1f')}")
    )


def _held(group: Subgroup, quantity: str) -> str:
    return _percent(group.held[quantity]) if quantity in group.held else NOT_DEFINED


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _words(name: str) -> str:
    return name.replace("_", " ")
