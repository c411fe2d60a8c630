"""Short-axis late enhancement: cavity, myocardium, infarct and no-reflow."""

from cvai.domain.anatomy import LGE_LABELS
from cvai.training.core.spec import CardFields, EvaluationPlan, TaskSpec
from cvai.training.datasets.emidec import EMIDEC
from cvai.training.tasks.lge.config import LgeConfig
from cvai.training.tasks.lge.evaluation.run import SCHEMA, evaluate, measured_on, numbers
from cvai.training.tasks.lge.task import LgeTask


def _card(_config: LgeConfig) -> CardFields:
    return CardFields(EMIDEC)


TASK = TaskSpec(
    name="lge",
    config=LgeConfig,
    channels=("slice before", "slice", "slice after"),
    labels=LGE_LABELS,
    prepare=LgeTask,
    card_view="lge",
    card=_card,
    evaluation=EvaluationPlan(
        schema=SCHEMA,
        evaluate=evaluate,
        measured_on=measured_on,
        numbers=numbers,
        datasets=("emidec",),
        options=frozenset({"split", "folder"}),
    ),
)
