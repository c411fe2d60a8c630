"""One evaluation of a model for coronary angiograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cvai.domain.vessels.segments import CORONARY_LABELS, CoronarySegment
from cvai.models.card import UncertaintyCard
from cvai.models.coronary import CoronarySegmenter
from cvai.training.core.spec import Asked
from cvai.training.datasets.arcade import Angiogram, load_angiogram
from cvai.training.datasets.data import data_root, load_split, spread_over
from cvai.training.evaluation.bootstrap import Estimate
from cvai.training.evaluation.cases import Case
from cvai.training.evaluation.progress import shown
from cvai.training.evaluation.report import Grid, Report, estimate_cell
from cvai.training.tasks.coronary.evaluation.record import record
from cvai.training.tasks.coronary.evaluation.scores import (
    FindsVessels,
    StenosisScore,
    TreeScore,
    levels_of,
    stenosis_score,
    tree_score,
)

SPLIT = Path("data/splits/arcade.toml")
METRICS = ("vessel_dice", "segment_f1", "stenosis_f1")
_TITLES = {"vessel_dice": "vessel Dice", "segment_f1": "segment F1", "stenosis_f1": "stenosis F1"}

_DEFINITIONS = (
    ("Vessel Dice", "2|A∩B| / (|A|+|B|) of all segments together, mean over images."),
    ("Segment F1", "Dice of every segment that is drawn or found, mean in an image, then over images."),
    (
        "Stenosis F1",
        "every stenosis found counts with its largest Dice against any drawn; where fewer are found than "
        "drawn, each that lacks counts 0; mean in an image, then over images.",
    ),
    ("Interval", "95 % percentile bootstrap over images, seeded; images of one patient may be among them."),
)


def evaluate(folder: Path, asked: Asked) -> Report:
    """Score the validation images of ARCADE.

    Raises:
        ConfigurationInvalid: the data is not there.
        ModelInvalid: see ``open_network``.
    """
    segmenter = CoronarySegmenter.load(folder, asked.threads)
    split, root = asked.split or SPLIT, data_root() / "arcade"
    names = spread_over(load_split(split).validation, asked.at_most)
    frames = shown((load_angiogram(root, name) for name in names), "evaluating", len(names))
    scores = [score(frame, segmenter) for frame in frames]
    trees = [s for s in scores if isinstance(s, TreeScore)]
    stenoses = [s for s in scores if isinstance(s, StenosisScore)]
    values = record(trees, stenoses, segmenter.identity, split.name)
    return Report(
        model=segmenter.identity,
        split=split.name,
        n_patients=len(names),
        record=values,
        metrics={n: values[n]["value"] for n in METRICS if values[n]["value"] is not None},
        refused=(),
        facts=tuple((_TITLES[name], _cell(values[name])) for name in METRICS),
        grids=(_headline(values), _by_segment(values)),
        definitions=_DEFINITIONS,
        calibration=_no_intervals,
        pictures=partial(_pictures, segmenter, root, values["worst"]["segments"]),
        cases=tuple(map(case_of, scores)),
    )


def score(frame: Angiogram, segmenter: FindsVessels) -> TreeScore | StenosisScore:
    """What a model finds in a frame, against what is drawn on it."""
    maps = segmenter.maps(levels_of(frame))
    if frame.drawn == "syntax":
        return tree_score(frame, maps.labels)
    return stenosis_score(frame, maps.stenosis)


def case_of(score: TreeScore | StenosisScore) -> Case:
    """One image; nothing is measured in it."""
    if isinstance(score, TreeScore):
        return Case(score.image, {"vessels": score.vessel, "segments": score.f1})
    return Case(score.image, {"stenoses": score.f1})


def _no_intervals() -> UncertaintyCard:
    raise ValueError("labels of angiograms have no intervals: nothing is measured on them here")


def _headline(values: Mapping[str, Any]) -> Grid:
    stenoses = values["stenoses"]
    return Grid(
        "Angiograms",
        ("score", "mean over images"),
        tuple((_TITLES[name], _cell(values[name])) for name in METRICS),
        f"Of {stenoses['drawn']} stenoses {stenoses['hit']} are touched by one of {stenoses['found']} found.",
    )


def _by_segment(values: Mapping[str, Any]) -> Grid:
    rows = [
        (segment.number, segment.display_name, _cell(found), str(found["images"]))
        for segment in CoronarySegment
        if (found := values["by_segment"][segment.value])["images"]
    ]
    return Grid("Segments", ("segment", "name", "Dice", "images, drawn or found"), tuple(rows))


def _cell(written: Mapping[str, Any]) -> str:
    interval = written["interval"]
    return estimate_cell(Estimate(written["value"], None if interval is None else tuple(interval)), ".3f")


def _pictures(segmenter: FindsVessels, root: Path, names: Sequence[str]) -> Mapping[str, Figure]:
    frames = [load_angiogram(root, name) for name in names]
    return {f"worst_{f.name.replace('/', '_')}": _side_by_side(f, segmenter) for f in frames}


def _side_by_side(frame: Angiogram, segmenter: FindsVessels) -> Figure:
    """The drawn labels and those found, on the frame."""
    figure = Figure(figsize=(9, 4.8), layout="tight")
    found = segmenter.maps(levels_of(frame)).labels
    for axis, labels, title in zip(
        figure.subplots(1, 2), (frame.labels, found), ("drawn", "found"), strict=True
    ):
        axis.imshow(frame.image, cmap="gray")
        shown_labels = labels.astype(float)
        shown_labels[labels == 0] = float("nan")
        axis.imshow(shown_labels, cmap="tab20", vmin=1, vmax=len(CORONARY_LABELS), alpha=0.6)
        axis.set_title(title)
        axis.axis("off")
    return figure
