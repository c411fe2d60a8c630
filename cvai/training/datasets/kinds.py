"""Kinds of data sets by the name they have in configurations and on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from cvai.training.datasets.acdc import AcdcFolder
from cvai.training.datasets.data import data_root
from cvai.training.datasets.nifti import NiftiFolder
from cvai.training.datasets.port import Dataset
from cvai.training.datasets.sunnybrook import SunnybrookFolder
from cvai.training.datasets.sunnybrook_slices import SunnybrookSlicesFolder


class DatasetKind(StrEnum):
    """How a folder of labelled hearts is laid out."""

    ACDC = "acdc"
    NIFTI = "nifti"
    SUNNYBROOK = "sunnybrook"
    SUNNYBROOK_SLICES = "sunnybrook_slices"


_OPENED_BY: Mapping[DatasetKind, Callable[[Path], Dataset]] = MappingProxyType(
    {
        DatasetKind.ACDC: AcdcFolder,
        DatasetKind.NIFTI: NiftiFolder.open,
        DatasetKind.SUNNYBROOK: SunnybrookFolder,
        DatasetKind.SUNNYBROOK_SLICES: SunnybrookSlicesFolder,
    }
)


def open_dataset(kind: DatasetKind, folder: str) -> Dataset:
    """The data set in ``folder``, which is below CVAI_DATA unless it is absolute.

    Raises:
        ConfigurationInvalid: the folder does not say what it has to say.
    """
    return _OPENED_BY[kind](data_root() / folder)
