"""Short-axis cines: both ventricles and the wall of the left one in every slice."""

from cvai.domain.anatomy import SAX_LABELS
from cvai.training.core.spec import CardFields, EvaluationPlan, TaskSpec
from cvai.training.datasets.data import load_split
from cvai.training.datasets.kinds import DatasetKind, open_dataset
from cvai.training.datasets.port import Source
from cvai.training.tasks.sax.config import SaxConfig
from cvai.training.tasks.sax.evaluation.adaptive import learn
from cvai.training.tasks.sax.evaluation.numbers import measured_on, numbers
from cvai.training.tasks.sax.evaluation.record import SCHEMA
from cvai.training.tasks.sax.evaluation.run import evaluate, pool
from cvai.training.tasks.sax.task import SaxTask


def _card(config: SaxConfig) -> CardFields:
    """Title and citation of all data sets; terms and convention are those of the first, most of the data."""
    first = open_dataset(config.data.kind, config.data.folder).source
    further = [open_dataset(data.kind, data.folder).source for data in config.data.further]
    source = Source(
        title="; ".join(source.title for source in (first, *further)),
        citation=" ".join(source.citation for source in (first, *further)),
        license=first.license,
        convention=first.convention,
    )
    patients = sum(len(load_split(data.split).train) for data in (config.data, *config.data.further))
    return CardFields(source, input={"spacing_mm": config.input.spacing_mm}, patients=patients)


TASK = TaskSpec(
    name="sax",
    config=SaxConfig,
    channels=("slice before", "slice", "slice after"),
    labels=SAX_LABELS,
    prepare=SaxTask,
    card_view="sax_cine",
    card=_card,
    evaluation=EvaluationPlan(
        schema=SCHEMA,
        evaluate=evaluate,
        measured_on=measured_on,
        numbers=numbers,
        datasets=tuple(DatasetKind),
        options=frozenset({"robustness", "split", "folder"}),
        pool=pool,
        learn=learn,
    ),
)
