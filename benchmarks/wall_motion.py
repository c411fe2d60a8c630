"""Grades of wall motion in ACDC, whose readers drew end-diastole and end-systole.

``python -m benchmarks.wall_motion [--record]``

Shares of the grades by diagnosis, with the readers' contours of all patients and with the model's in the
validation patients; how far the model's grades, thickening and index are from those of the readers' contours.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.labelled_hearts import ACDC, SPLIT
from benchmarks.motion import model_labels
from benchmarks.published import keep
from cvai.domain.geometry import StackGeometry
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.uncertainty import conformal_half_width
from cvai.domain.ventricles.rings import beat_rings
from cvai.domain.ventricles.segments import WALL_SEGMENTS, WallSegment
from cvai.domain.ventricles.wall_motion import MotionGrade, SegmentMotion, segment_motion
from cvai.models.folders import model_folder
from cvai.models.sax import SaxSegmenter
from cvai.training.datasets.data import LabelledVolume, load_split
from cvai.training.datasets.kinds import DatasetKind, open_dataset

CONFIDENCE = 0.9
Heart = Mapping[WallSegment, SegmentMotion]


@dataclass(frozen=True, slots=True)
class Graded:
    """Motion of a patient's segments by the contours of readers, and by those of the model if it ran."""

    group: str
    readers: Heart
    model: Heart | None = None


def placed(n_slices: int, spacing_mm: tuple[float, float, float], towards: float) -> StackGeometry:
    """Slices with the anterior wall on the side of the head, as ACDC shows them; seen from either end."""
    positions_mm = np.zeros((n_slices, 3))
    positions_mm[:, 1] = towards * np.arange(n_slices) * spacing_mm[0]
    return StackGeometry(positions_mm, np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0]), *spacing_mm[1:])


def motion_of(volumes: Sequence[LabelledVolume], labels: Sequence[NDArray[np.uint8]]) -> Heart:
    """From end-diastole to end-systole; ACDC's files do not say from which end a stack is seen."""
    for towards in (1.0, -1.0):
        geometry = placed(len(labels[0]), volumes[0].spacing_mm, towards)
        segmentation = CineSegmentation(np.stack(labels), geometry)
        if found := segment_motion(segmentation, beat_rings(segmentation), 0)[1]:
            return found
    return {}


def graded(segmenter: SaxSegmenter) -> Iterable[Graded]:
    """Every patient of the split."""
    dataset, split = open_dataset(DatasetKind.ACDC, ACDC), load_split(SPLIT)
    for patient in (*split.train, *split.validation):
        volumes = sorted(dataset.volumes(patient), key=lambda volume: volume.phase)
        of_readers = Graded(volumes[0].group, motion_of(volumes, [volume.labels for volume in volumes]))
        if patient in split.validation:
            yield replace(of_readers, model=motion_of(volumes, model_labels(segmenter, volumes)))
        else:
            yield of_readers


def shares(hearts: Iterable[Heart]) -> dict[str, float]:
    """Percent of the segments that have each grade, and their number."""
    grades = Counter(motion.grade for heart in hearts for motion in heart.values())
    n = sum(grades.values())
    return {**{grade.display_name: 100.0 * grades[grade] / n for grade in MotionGrade}, "segments": n}


def index_of(heart: Heart) -> float | None:
    """None where a segment has no grade."""
    if len(heart) < len(WALL_SEGMENTS):
        return None
    return float(np.mean([motion.grade for motion in heart.values()]))


def agreement(pairs: Sequence[tuple[Heart, Heart]]) -> dict[str, float]:
    """Of the model's grades with those of the readers' contours, over segments and over patients."""
    both = [
        (readers[segment], model[segment])
        for readers, model in pairs
        for segment in readers
        if segment in model
    ]
    grades = np.array([(reader.grade, model.grade) for reader, model in both])
    points = np.array([model.thickening_percent - reader.thickening_percent for reader, model in both])
    indices = [(index_of(readers), index_of(model)) for readers, model in pairs]
    off = np.array([model - reader for reader, model in indices if reader is not None and model is not None])
    apart = np.abs(np.diff(grades, axis=1))
    is_abnormal = grades > MotionGrade.NORMAL
    return {
        "segments": len(both),
        "same grade, %": 100.0 * float(np.mean(apart == 0)),
        "within one grade, %": 100.0 * float(np.mean(apart <= 1)),
        "kappa": kappa(grades, 1.0 - np.eye(len(MotionGrade))),
        "quadratic kappa": kappa(grades, np.subtract.outer(range(4), range(4)) ** 2),
        "abnormal found, %": 100.0 * float(np.mean(is_abnormal[is_abnormal[:, 0], 1])),
        "normal kept, %": 100.0 * float(np.mean(~is_abnormal[~is_abnormal[:, 0], 1])),
        "thickening bias, points": float(points.mean()),
        "thickening SD, points": float(points.std(ddof=1)),
        "thickening 90 %, points": conformal_half_width(points.tolist(), CONFIDENCE),
        "index bias": float(off.mean()),
        "index SD": float(off.std(ddof=1)),
        "index 90 %": conformal_half_width(off.tolist(), CONFIDENCE),
        "patients": len(pairs),
    }


def kappa(grades: NDArray[np.int_], penalty: NDArray[np.floating]) -> float:
    """Cohen's kappa of (segment, 2) grades; ``penalty`` is that of every pair of grades, 0 for the same."""
    table = np.zeros((len(MotionGrade), len(MotionGrade)))
    np.add.at(table, tuple(grades.T - 1), 1.0)
    table /= table.sum()
    by_chance = np.outer(table.sum(axis=1), table.sum(axis=0))
    return float(1.0 - (penalty * table).sum() / (penalty * by_chance).sum())


def tables(segmenter: SaxSegmenter) -> dict[str, dict[str, float]]:
    """Shares by diagnosis, and agreement."""
    groups = defaultdict(list)
    for patient in graded(segmenter):
        groups[patient.group].append(patient)
    told: dict[str, dict[str, float]] = {}
    for group, patients in sorted(groups.items()):
        validation = [patient for patient in patients if patient.model is not None]
        told[f"{group}, readers"] = shares(patient.readers for patient in patients)
        told[f"{group}, readers, validation"] = shares(patient.readers for patient in validation)
        told[f"{group}, model, validation"] = shares(p.model for p in validation if p.model is not None)
    pairs = [(p.readers, p.model) for of in groups.values() for p in of if p.model is not None]
    return {**told, "agreement": agreement(pairs)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="sax")
    parser.add_argument("--record", action="store_true", help="keep the numbers for the documents")
    arguments = parser.parse_args()
    found = tables(SaxSegmenter.load(model_folder(arguments.model)))
    for title, row in found.items():
        print(f"{title}: " + ", ".join(f"{name} {value:.2f}" for name, value in row.items()))
    if arguments.record:
        keep(
            "wall_motion",
            {f"{title}, {name}": value for title, row in found.items() for name, value in row.items()},
        )


if __name__ == "__main__":
    main()
