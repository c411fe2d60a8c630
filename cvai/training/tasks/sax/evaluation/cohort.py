"""The patients a model is evaluated on, read one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cvai.errors import ConfigurationInvalid
from cvai.training.datasets.data import LabelledVolume, load_split, spread_over
from cvai.training.datasets.port import Dataset


@dataclass(frozen=True, slots=True)
class Cohort:
    """Labelled patients of a data set.

    Args:
        name: where the list of patients comes from.
        dataset: knows them.
        patients: ids.
    """

    name: str
    dataset: Dataset
    patients: tuple[str, ...]

    @classmethod
    def validation(cls, dataset: Dataset, split: Path, at_most: int | None = None) -> Self:
        """The validation patients of a split, or fewer, spread evenly over its list.

        Raises:
            ConfigurationInvalid: there is no such split, or it has no validation patients.
        """
        listed = load_split(split).validation
        if not listed:
            raise ConfigurationInvalid("split_empty", f"{split.name} lists no validation patients.")
        return cls(split.as_posix(), dataset, spread_over(listed, at_most))

    @property
    def n_volumes(self) -> int:
        """End-diastole and end-systole of every patient."""
        return 2 * len(self.patients)

    def volumes(self) -> Iterator[LabelledVolume]:
        """The labelled phases of every patient.

        Raises:
            ConfigurationInvalid: a patient is not there.
        """
        for patient in self.patients:
            yield from self.dataset.volumes(patient)

    def volume(self, patient: str, phase: str) -> LabelledVolume:
        """One phase of one patient."""
        return next(v for v in self.dataset.volumes(patient) if v.phase == phase)
