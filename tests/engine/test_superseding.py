"""A study that is measured again, with the results of the first time standing in it by then."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from cvai.engine.analyse import analyse_folder
from cvai.heart.segmentation import ModelIdentity
from cvai.results.write import OBJECT_NAMES
from tests.engine.test_analyse import CINE, DrawnHeart
from tests.study.dicom_files import images, write

CREATION = {"InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime",
            "SeriesDate", "SeriesTime", "EncapsulatedDocument"}  # fmt: skip
"""What may differ between two runs; the printed report names the minute it was made."""


@dataclass(frozen=True)
class Release(DrawnHeart):
    """The same drawing by one release of a model or another."""

    sha256: str = "1" * 64

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("drawn", "1.0", self.sha256, "none")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    write(folder, images(CINE))
    return folder


def measure(study: Path, out: Path, release: Release) -> dict[str, Dataset]:
    """Objects of a run by file name; they stand in the study afterwards, as an archive would have it."""
    (outcome,) = analyse_folder(study, out, release)
    for written in outcome.objects:
        shutil.copy(written.path, study / f"{out.name}-{written.path.name}")
    return {name: dcmread(outcome.folder / name) for name in OBJECT_NAMES.values()}


def without_creation(instance: Dataset) -> Dataset:
    return Dataset({e.tag: e for e in instance if e.keyword not in CREATION})


def test_twice_the_same_gives_the_same_and_another_model_takes_its_place(study: Path, tmp_path: Path) -> None:
    first, again, other = (
        measure(study, tmp_path / run, Release(sha256=digit * 64))
        for run, digit in (("first", "1"), ("again", "1"), ("other", "2"))
    )
    for name, instance in first.items():
        assert without_creation(instance) == without_creation(again[name]), name
        assert instance.SOPInstanceUID != other[name].SOPInstanceUID
        assert instance.SeriesInstanceUID != other[name].SeriesInstanceUID
    (predecessor,) = other["sr.dcm"].PredecessorDocumentsSequence
    (series,) = predecessor.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first["sr.dcm"].SOPInstanceUID
    assert "PredecessorDocumentsSequence" not in again["sr.dcm"]
