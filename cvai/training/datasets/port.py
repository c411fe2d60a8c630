"""What training and evaluation ask of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cvai.training.datasets.data import LabelledVolume


@dataclass(frozen=True, slots=True)
class Source:
    """Where labels come from; it goes into the card of every model trained on them.

    Args:
        title: what the data are, in one line.
        citation: what any use has to cite.
        license: SPDX identifier, or the name of the terms; weights trained on the data carry it.
        convention: how contours are drawn, as it follows the word "Contours"; None where it is not stated.
    """

    title: str
    citation: str
    license: str
    convention: str | None = None


class Dataset(Protocol):
    """Labelled patients, read one at a time: a data set may be larger than memory."""

    @property
    def source(self) -> Source:
        """Where the labels come from."""
        ...

    def volumes(self, patient: str) -> tuple[LabelledVolume, ...]:
        """Every labelled phase of one patient, end-diastole first.

        Raises:
            ConfigurationInvalid: the patient is not there, or its files do not belong together.
        """
        ...
