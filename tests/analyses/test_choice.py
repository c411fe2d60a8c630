"""Of stacks in several directions the one is measured that cuts the heart across."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cvai.analyses.cine_sax.analyse import analyse_cine
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.read import read_studies
from cvai.domain.cine import CineStack
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.errors import GeometryRefused, HeartRefused
from tests.dicom.read.dicom_files import TRANSVERSE, SeriesSpec, images, write

ROOT = "1.2.826.0.1.3680043.10.999"
SAX = SeriesSpec(
    series_uid=f"{ROOT}.1", series_number=1, rows=64, columns=64, spacing_mm=(1.5, 1.5), n_phases=8
)
DEXTROCARDIA = ((0.712221, -0.701112, 0.0343949), (0.307715, 0.267798, -0.913015))
"""A short axis mirrored to the right: as far from the usual direction as a transverse stack."""


class Drawn:
    """Draws rings on stacks whose normal is not along the body, and open arcs on others."""

    identity = ModelIdentity("drawn", "1", "0" * 64, "none")
    uncertainty = None

    def segment(self, stack: CineStack) -> CineSegmentation:
        is_transverse = abs(stack.geometry.normal[2]) > 0.9
        y, x = np.mgrid[:64, :64] - 32.0
        labels = np.zeros(stack.pixels.shape, dtype=np.uint8)
        for t in range(len(labels)):
            radius = 12 + 4 * np.cos(2 * np.pi * t / 8)
            labels[t, :, np.hypot(y, x) < radius + 6] = 2
            if is_transverse:
                labels[t, :, 32:] = 0
            labels[t, :, np.hypot(y, x) < radius] = 1
        return CineSegmentation(labels, stack.geometry)


def analysed(folder: Path, *specs: SeriesSpec, segmenter: Drawn | None = None):  # type: ignore[no-untyped-def]
    # grey levels that differ from image to image, but by little
    stated: dict[str, object] = {"PixelRepresentation": 0, "RescaleSlope": "1", "RescaleIntercept": "90000"}
    write(folder, [ds for spec in specs for ds in images(spec.but(attributes=stated))])
    (study,) = read_studies(folder).studies
    return analyse_cine(study, Drawn(), Stopwatch())


@pytest.mark.slow
def test_contours_decide_where_directions_do_not(tmp_path: Path) -> None:
    transverse = SAX.but(series_uid=f"{ROOT}.2", series_number=2, n_slices=12, axes=TRANSVERSE)
    analysis = analysed(tmp_path, SAX.but(axes=DEXTROCARDIA), transverse)
    assert analysis.cine.series_uid == f"{ROOT}.1"
    assert "chosen_by_contours" in [f.code for f in analysis.findings]
    assert [p.series_uid for p in analysis.cine.excluded] == [f"{ROOT}.2"]


def test_a_transverse_stack_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeartRefused) as refusal:
        analysed(tmp_path, SAX.but(axes=TRANSVERSE, n_slices=12))
    assert refusal.value.code == "no_short_axis"


def test_a_stack_at_rest_without_slices_is_not_replaced_by_the_one_under_stress(tmp_path: Path) -> None:
    rest = [ds for ds in images(SAX.but(step_ms=100.0)) if ds.SOPInstanceUID.split(".")[-2] != "4"]
    stress = images(SAX.but(series_uid=f"{ROOT}.3", series_number=3, step_ms=55.0))
    write(tmp_path, [*rest, *stress])
    (study,) = read_studies(tmp_path).studies
    with pytest.raises(GeometryRefused) as refusal:
        analyse_cine(study, Drawn(), Stopwatch())
    assert refusal.value.code == "missing_slice"
