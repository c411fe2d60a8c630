"""Apical ultrasound views: left ventricle, its wall and the left atrium, and which view it is."""

from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.echo.views import EchoView
from cvai.training.core.spec import CardFields, EvaluationPlan, TaskSpec
from cvai.training.tasks.echo.camus import CAMUS
from cvai.training.tasks.echo.config import EchoConfig
from cvai.training.tasks.echo.evaluation.numbers import measured_on, numbers
from cvai.training.tasks.echo.evaluation.record import SCHEMA
from cvai.training.tasks.echo.evaluation.run import evaluate
from cvai.training.tasks.echo.task import EchoTask


def _card(_config: EchoConfig) -> CardFields:
    return CardFields(CAMUS, further={"views": [view.value for view in EchoView]})


TASK = TaskSpec(
    name="echo",
    config=EchoConfig,
    channels=("sector squeezed to a square",),
    labels=ECHO_LABELS,
    further_outputs=len(EchoView),
    prepare=EchoTask,
    card_view="echo",
    card=_card,
    evaluation=EvaluationPlan(
        schema=SCHEMA,
        evaluate=evaluate,
        measured_on=measured_on,
        numbers=numbers,
        datasets=("camus",),
    ),
)
"""Each view has an output map after those of the labels; the mean of the map is the logit of the view. So the
view costs one more line in the last convolution instead of a network of its own."""
