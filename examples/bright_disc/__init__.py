"""The bright disc of a frame: the smallest training task there can be.

An example, and nothing that anybody should use. Frames are ``NAME.png`` with ``NAME_label.png`` beside
it: 1 in the disc, 0 around it, 255 where nobody has said what it is.
"""

from cvai.training.tasks.bright_disc.config import DiscConfig
from cvai.training.tasks.bright_disc.evaluation import SCHEMA, evaluate, measured_on, numbers
from cvai.training.tasks.bright_disc.task import DiscTask

from cvai.domain.anatomy import Structure
from cvai.training.core.spec import CardFields, EvaluationPlan, TaskSpec
from cvai.training.datasets.port import Source


def _card(_config: DiscConfig) -> CardFields:
    return CardFields(Source("Frames with discs", "cvai examples", "Apache-2.0"), intended_use="An example.")


TASK = TaskSpec(
    name="bright_disc",
    config=DiscConfig,
    channels=("frame",),
    labels={Structure.LV_CAVITY: 1},
    prepare=DiscTask,
    card_view="disc",
    card=_card,
    evaluation=EvaluationPlan(
        schema=SCHEMA,
        evaluate=evaluate,
        measured_on=measured_on,
        numbers=numbers,
        datasets=("png",),
        options=frozenset({"folder", "split"}),
    ),
)
