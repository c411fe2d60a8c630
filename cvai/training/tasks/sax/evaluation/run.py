"""One evaluation of a short-axis model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cvai.models.sax import SaxSegmenter
from cvai.training.core.spec import Asked
from cvai.training.datasets.data import LabelledVolume
from cvai.training.datasets.kinds import DatasetKind, open_dataset
from cvai.training.evaluation.progress import shown
from cvai.training.evaluation.report import Report
from cvai.training.tasks.sax.evaluation.cases import score_patients
from cvai.training.tasks.sax.evaluation.cohort import Cohort
from cvai.training.tasks.sax.evaluation.pooled import pooled
from cvai.training.tasks.sax.evaluation.report import report
from cvai.training.tasks.sax.evaluation.robustness import robustness
from cvai.training.tasks.sax.evaluation.summary import summed_up
from cvai.training.tasks.sax.evaluation.worst import draw_worst_cases


def evaluate(folder: Path, asked: Asked) -> Report:
    """Compare a model with the reference contours of the validation patients of a split.

    Raises:
        ConfigurationInvalid: the data is not there.
        ModelInvalid: see ``open_network``.
    """
    kind = DatasetKind(asked.dataset)
    split = asked.split or Path("data/splits") / f"{kind}.toml"
    cohort = Cohort.validation(open_dataset(kind, asked.folder or kind), split, asked.at_most)
    segmenter = SaxSegmenter.load(folder, asked.threads)

    def volumes(doing: str) -> Iterable[LabelledVolume]:
        return shown(cohort.volumes(), doing, cohort.n_volumes)

    scores, cases = score_patients(volumes("evaluating"), segmenter)
    changed = robustness(volumes("changing images"), segmenter) if asked.robustness else None
    evaluation = summed_up(scores, segmenter.identity, cohort.name, changed, cases=cases)
    return report(evaluation, lambda: draw_worst_cases(evaluation, cohort, segmenter))


def pool(folders: Sequence[Path]) -> Report:
    """The evaluations of all folds as one; see ``pooled`` for errors."""
    return report(pooled(folders))
