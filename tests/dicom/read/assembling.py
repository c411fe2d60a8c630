"""From data sets in memory to an assembled cine, the way files take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import CineSelection, select_sax_cine
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import AssembledCine
from cvai.errors import Refused
from tests.dicom.read.dicom_files import (
    SeriesSpec,
    pixels_of,
    write,
)

SPEC = SeriesSpec()
ROOT = "1.2.826.0.1.3680043.10.999"


def assemble(folder: Path, datasets: Sequence[Dataset]) -> AssembledCine:
    write(folder, datasets)
    return assemble_folder(folder)


def assemble_folder(folder: Path) -> AssembledCine:
    (study,) = read_studies(folder).studies
    return assemble_cine(select_sax_cine(study))


def assemble_all(folder: Path, datasets: Sequence[Dataset]) -> AssembledCine:
    """Without selection: every image of the study, as a caller may hand them in."""
    write(folder, datasets)
    (study,) = read_studies(folder).studies
    planes = tuple(plane for series in study.series for plane in series.planes)
    return assemble_cine(CineSelection(study.series[0].series_uid, planes, ()))


def expected_pixels(spec: SeriesSpec) -> NDArray[np.float32]:
    """(t, z, y, x)"""
    return np.array(
        [[pixels_of(spec, z, t) for z in range(spec.n_slices)] for t in range(spec.n_phases)],
        dtype=np.float32,
    )


def codes(cine: AssembledCine) -> list[str]:
    return [finding.code for finding in cine.findings]


def where(cine: AssembledCine, code: str) -> list[tuple[int | None, int | None]]:
    """0-based phases and slices that the finding with this code names."""
    (finding,) = (finding for finding in cine.findings if finding.code == code)
    return [(place.phase, place.slice) for place in finding.where]


def refusal_of(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refusal:
        call()
    assert refusal.value.hint
    return refusal.value


def lose(keyword: str) -> Callable[[Dataset], None]:
    return lambda ds: delattr(ds, keyword)


def state(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, keyword, value)
