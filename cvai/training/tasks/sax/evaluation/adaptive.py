"""Intervals that follow the difficulty of a patient, learnt from unseen patients in harder images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import TypedDict

import numpy as np

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.difficulty import Likeness, difficulties
from cvai.domain.uncertainty import conformal_half_width
from cvai.models.card import AdaptiveCard, LikenessCard
from cvai.models.sax import SaxSegmenter
from cvai.models.segmenter import Segmenter
from cvai.training.core.spec import Asked
from cvai.training.datasets.data import LabelledVolume, load_split, spread_over
from cvai.training.datasets.kinds import DatasetKind, open_dataset
from cvai.training.evaluation.calibrate import CONFIDENCE
from cvai.training.evaluation.progress import shown
from cvai.training.tasks.sax.evaluation.cohort import Cohort
from cvai.training.tasks.sax.evaluation.conditions import Condition
from cvai.training.tasks.sax.evaluation.harder import HARDER
from cvai.training.tasks.sax.evaluation.judged import Judged
from cvai.training.tasks.sax.evaluation.scores import segmented

LEAST_DOUBT_QUANTILE = 0.25
"""Of the doubts about unchanged images, what counts as the least: less is luck."""

TRAINING_PATIENTS = 40
"""Of the training patients, so many give the features of the training hospital beside all unseen ones."""

_NORMAL_90 = 1.645
"""Half-width that holds 90 % of a normal distribution, in standard deviations."""

ELSEWHERE_SD: Mapping[str, float] = {"lv_edv": 15.2, "lv_esv": 14.0, "lv_ef": 4.6, "lv_mass": 20.2}
"""What readers of seven core laboratories differ by between each other, in mL, points and g: the lower ends
of the ranges 15.2 to 28.4, 14.0 to 21.5, 4.6 to 7.5 and 20.2 to 34.5."""

ELSEWHERE_SOURCE = (
    "inter-reader differences of seven core laboratories, lower ends of the ranges, times 1.645 "
    "(Suinesiaputra et al., J Cardiovasc Magn Reson 2015;17:63)"
)

UNLIKE, TOO_FAR = 1.2, 2.5
"""Of the largest distance in the training hospital: beyond the first a reader is warned, beyond the second
nothing is measured."""


class Factors(TypedDict):
    """Fields of the card that follow from errors and doubts."""

    factors: dict[str, float]
    least_doubt: dict[Structure, float]


def learn(folder: Path, asked: Asked) -> AdaptiveCard:
    """Intervals for the model in ``folder`` from the patients of a split.

    Factors come from the validation patients, each in the images of ``HARDER``; features of the training
    hospital from them and from training patients.

    Raises:
        ConfigurationInvalid: the data is not there.
        ValueError: too few patients.
    """
    kind = DatasetKind(asked.dataset)
    split = asked.split or Path("data/splits") / f"{kind}.toml"
    dataset, lists = open_dataset(kind, asked.folder or kind), load_split(split)
    unseen = Cohort.validation(dataset, split)
    trained = Cohort(split.as_posix(), dataset, spread_over(lists.train, TRAINING_PATIENTS))
    segmenter = SaxSegmenter.load(folder, asked.threads)
    tried = {
        condition.name: tuple(judged_patients(_changed(unseen, condition), segmenter)) for condition in HARDER
    }
    own = (*tried["unchanged"], *judged_patients(_volumes(trained, "training images"), segmenter))
    return AdaptiveCard(
        calibrated_on=f"{len(unseen.patients)} validation patients of {split.as_posix()}, each in images: "
        + ", ".join(condition.title for condition in HARDER),
        elsewhere_from=ELSEWHERE_SOURCE,
        elsewhere={name: round(_NORMAL_90 * sd, 1) for name, sd in ELSEWHERE_SD.items()},
        likeness=likeness_of(own),
        **factors_of(tried["unchanged"], [patient for found in tried.values() for patient in found]),
    )


def judged_patients(volumes: Iterable[LabelledVolume], segmenter: Segmenter) -> Iterator[Judged]:
    """Every patient whose heart was found in both phases."""
    for _, phases in groupby(volumes, key=lambda volume: volume.patient):
        found = Judged.of([segmented(volume, segmenter) for volume in phases])
        if found is not None:
            yield found


def factors_of(unchanged: Sequence[Judged], tried: Iterable[Judged]) -> Factors:
    """By quantity the factor of the difficulty, and the least doubt by structure.

    A factor is the conformal quantile of absolute errors over difficulties; infinite errors in empty hearts
    are left to the refusals.
    """
    least = {structure: _least(unchanged, structure) for structure in SAX_LABELS}
    ratios: dict[str, list[float]] = {}
    for patient in tried:
        doubts = difficulties(patient.ed, patient.es, patient.measured, least)
        for name, error in patient.errors().items():
            if doubts.get(name, 0.0) > 0:
                ratios.setdefault(name, []).append(error / doubts[name])
    factors = {
        name: ceil(1000 * conformal_half_width(r, CONFIDENCE)) / 1000  # rounded up: the rank still holds
        for name, r in ratios.items()
    }
    return Factors(factors=factors, least_doubt=least)


def _least(patients: Sequence[Judged], structure: Structure) -> float:
    doubts = [shown.doubts[structure] for patient in patients for shown in (patient.ed, patient.es)]
    return round(float(np.quantile(doubts, LEAST_DOUBT_QUANTILE)), 4)


def likeness_of(patients: Sequence[Judged]) -> LikenessCard:
    """Features of the images of one hospital, and bounds by how far its own lie from their mean.

    The difference to other hospitals counts in full from the distance that a tenth of its own images exceed,
    and not at all below the median.
    """
    names = patients[0].ed.features
    table = np.array([[(p.ed.features[n] + p.es.features[n]) / 2 for n in names] for p in patients])
    centre = dict(zip(names, table.mean(axis=0).round(4).tolist(), strict=True))
    spread = dict(zip(names, table.std(axis=0, ddof=1).round(4).tolist(), strict=True))
    if min(spread.values()) == 0:
        raise ValueError("a feature does not vary among these patients")
    own = Likeness(centre, spread, usual=0.0, elsewhere=1.0, unlike=0.0, too_far=0.0)
    usual, elsewhere, largest = np.quantile([own.distance(p.ed, p.es) for p in patients], (0.5, 0.9, 1.0))
    return LikenessCard(
        images=len(patients),
        usual=round(float(usual), 2),
        elsewhere=round(float(elsewhere), 2),
        unlike=round(UNLIKE * float(largest), 2),
        too_far=round(TOO_FAR * float(largest), 2),
        centre=centre,
        spread=spread,
    )


def _volumes(cohort: Cohort, doing: str) -> Iterable[LabelledVolume]:
    return shown(cohort.volumes(), doing, cohort.n_volumes)


def _changed(cohort: Cohort, condition: Condition) -> Iterator[LabelledVolume]:
    for volume in _volumes(cohort, condition.title):
        yield condition.change(volume)
