"""The cine segmentation as web viewers load it: with @cornerstonejs/adapters, under Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.read.values import ImagePlane
from cvai.domain.anatomy import SAX_LABELS
from tests.conftest import ROOT
from tests.dicom.write.synthetic import cine_segmentation, context_of, make_analysis

LOADER = ROOT / "tests" / "js" / "load_segmentation.mjs"
SHAPE = (6, 4, 32, 48)
"""A plane fills whole bytes: the loader, 5.14.0, does not take the byte that pads others to even length."""


@pytest.fixture(scope="module")
def node() -> str:
    program = shutil.which("node")
    if program is None or not (LOADER.parent / "node_modules").is_dir():
        pytest.skip("@cornerstonejs/adapters is not installed (Node and npm, then make viewers)")
    return program


def as_viewers_know_it(plane: ImagePlane, analysis: CineAnalysis) -> dict[str, Any]:
    """What a DICOMweb viewer has read of a source frame before it loads a segmentation."""
    geometry = analysis.cine.stack.geometry
    return {
        "imageId": f"wadors:series/{plane.sop_instance_uid}/frames/{plane.frame_number or 1}",
        "sopInstanceUid": plane.sop_instance_uid,
        "seriesUid": analysis.cine.series_uid,
        "frameOfReferenceUid": str(plane.header.FrameOfReferenceUID),
        "rows": plane.rows,
        "columns": plane.columns,
        "position": plane.position_mm,
        "rowCosines": geometry.row_cosine.tolist(),
        "columnCosines": geometry.column_cosine.tolist(),
        "spacing": plane.spacing_mm,
    }


@pytest.mark.slow
@pytest.mark.parametrize("multiframe", [False, True], ids=["single-frame source", "multi-frame source"])
def test_a_web_viewer_gets_every_voxel_of_every_phase(node: str, tmp_path: Path, multiframe: bool) -> None:
    analysis = make_analysis(SHAPE, multiframe=multiframe)
    images = [as_viewers_know_it(plane, analysis) for phase in analysis.cine.planes for plane in phase]
    images_path, seg_path, labels_path = (
        tmp_path / name for name in ("images.json", "seg.dcm", "labels.bin")
    )
    images_path.write_text(json.dumps(images))
    cine_segmentation(context_of(analysis)).save_as(seg_path, enforce_file_format=True)
    command = [node, str(LOADER), *map(str, (images_path, seg_path, labels_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == {"overlapping": False, "segments": [s.display_name for s in SAX_LABELS]}
    labels = np.fromfile(labels_path, np.uint8).reshape(SHAPE)
    np.testing.assert_array_equal(labels, analysis.segmentation.labels)
