"""Coronary angiograms: the tree, its SYNTAX segments, and narrowed stretches."""

from cvai.domain.vessels.segments import CORONARY_LABELS
from cvai.models.cells import CELL_CHANNELS
from cvai.training.core.spec import CardFields, EvaluationPlan, TaskSpec
from cvai.training.datasets.arcade import ARCADE
from cvai.training.tasks.coronary.config import CoronaryConfig
from cvai.training.tasks.coronary.evaluation.numbers import measured_on, numbers
from cvai.training.tasks.coronary.evaluation.record import SCHEMA
from cvai.training.tasks.coronary.evaluation.run import evaluate
from cvai.training.tasks.coronary.task import CoronaryTask

_WHOLE_RANGE = {"low_percentile": 0.0, "high_percentile": 100.0}
"""Frames of angiograms come in grey levels that a machine has set for display; they are not scaled again."""


def _card(_config: CoronaryConfig) -> CardFields:
    return CardFields(ARCADE, input=_WHOLE_RANGE, intended_use="Research. Not for clinical use.")


TASK = TaskSpec(
    name="coronary",
    config=CoronaryConfig,
    channels=CELL_CHANNELS,
    labels=CORONARY_LABELS,
    further_outputs=1,
    prepare=CoronaryTask,
    card_view="coronary",
    card=_card,
    evaluation=EvaluationPlan(
        schema=SCHEMA,
        evaluate=evaluate,
        measured_on=measured_on,
        numbers=numbers,
        datasets=("arcade",),
        options=frozenset({"split"}),
    ),
)
"""The last output is the logit of a stenosis; it is learnt from frames of its own."""
