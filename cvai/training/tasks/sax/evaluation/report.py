"""The evaluation of a short-axis model as a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from matplotlib.figure import Figure

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.models.card import UncertaintyCard
from cvai.training.evaluation.calibrate import calibration
from cvai.training.evaluation.report import Report
from cvai.training.tasks.sax.evaluation.bland_altman import bland_altman_figure
from cvai.training.tasks.sax.evaluation.cells import SHORT_NAMES, grids
from cvai.training.tasks.sax.evaluation.quantities import COMPARED, paired
from cvai.training.tasks.sax.evaluation.record import headline_metrics, record
from cvai.training.tasks.sax.evaluation.scores import PHASES, VolumeScore
from cvai.training.tasks.sax.evaluation.summary import Evaluation

_DEFINITIONS = (
    ("Dice", "2|A∩B| / (|A|+|B|). Not counted where both are empty; 0 where one is."),
    (
        "HD95",
        "larger of the two directed 95th percentiles of surface distance, in 3-D with the true spacing. "
        "Not counted where either is empty.",
    ),
    (
        "Level",
        "thirds of the slices that hold left ventricle in the reference; slices beyond go with the nearest.",
    ),
    ("Limits of agreement", "bias ± 1.96 SD of the differences."),
    ("Interval", "95 % percentile bootstrap over patients, seeded; none for fewer than five patients."),
    ("Refused", "no heart was found: Dice 0, and no volumes to compare."),
)


def report(evaluation: Evaluation, worst: Callable[[], Mapping[str, Figure]] = dict) -> Report:
    """What the evaluation is for readers, files and comparison.

    Args:
        evaluation: what was found.
        worst: draws pictures of the worst cases by file stem, see ``draw_worst_cases``.
    """

    def pictures() -> Mapping[str, Figure]:
        return {
            "bland_altman": bland_altman_figure(paired(evaluation.scores), evaluation.agreement),
            **worst(),
        }

    return Report(
        model=evaluation.model,
        split=evaluation.split,
        n_patients=len(evaluation.patients),
        record=record(evaluation),
        metrics=headline_metrics(evaluation),
        refused=tuple(f"{s.patient} {s.phase}: {s.refused}" for s in evaluation.refused),
        facts=_facts(evaluation),
        grids=grids(evaluation),
        definitions=_DEFINITIONS,
        calibration=lambda: calibration_of(evaluation.scores),
        pictures=pictures,
        cases=evaluation.cases,
        quantities=COMPARED,
    )


def calibration_of(scores: Iterable[VolumeScore]) -> UncertaintyCard:
    """Intervals from patients the model has not seen; raises ValueError for too few."""
    pairs = paired(scores)
    points = {name: pair for name, pair in pairs.items() if name.endswith("_ef")}
    return calibration(points, {name: pair for name, pair in pairs.items() if name not in points})


def _facts(evaluation: Evaluation) -> tuple[tuple[str, str], ...]:
    """The numbers that a reader looks for first."""
    facts = [
        (f"Dice {SHORT_NAMES[structure]}, {' / '.join(PHASES)}", _dice_by_phase(evaluation, structure))
        for structure in SAX_LABELS
    ]
    for name, title in (("lv_ef", "LV EF"), ("rv_ef", "RV EF")):
        agreement = evaluation.agreement.get(name)
        if agreement is not None and agreement.sd.value is not None:
            facts.append((f"{title}, bias ± SD", f"{agreement.bias.value:+z.1f} ± {agreement.sd.value:.1f}"))
    return tuple(facts)


def _dice_by_phase(evaluation: Evaluation, structure: Structure) -> str:
    means = [evaluation.overall.dice[phase][structure].mean.value for phase in PHASES]
    return " / ".join("–" if mean is None else f"{mean:.3f}" for mean in means)
