from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cvai
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.phantom.cine_sax.study import write_phantom_study
from cvai.phantom.cine_sax.truth import PhantomTruth
from cvai.phantom.parameters import PhantomAcquisition

SMALL = PhantomAcquisition(n_phases=8, rows=112, columns=112, spacing_y_mm=3.0, spacing_x_mm=3.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PhantomTruth]:
    folder = tmp_path_factory.mktemp("api") / "study"
    return folder, write_phantom_study(folder, acquisition=SMALL)


@pytest.fixture(scope="module")
def result(study: tuple[Path, PhantomTruth]) -> cvai.Result:
    (found,) = cvai.analyze(study[0])
    return found


@pytest.mark.slow
def test_a_study_is_measured(result: cvai.Result, study: tuple[Path, PhantomTruth]) -> None:
    assert (result.kind, result.status, result.error) == ("cine_sax", "analysed", None)
    assert result.study_uid == study[1].study_uid
    true_ef = study[1].to_json()["measurements"]["lv_ef"]
    assert result.value("lv_ef") == pytest.approx(true_ef, abs=8.0)
    assert result.value("la_volume") is None
    assert {"name", "value", "unit", "interval"} <= result.measurements[0].keys()
    assert all({"code", "message"} <= finding.keys() for finding in result.findings)


def test_labels_and_curves_agree(result: cvai.Result) -> None:
    labels = result.labels["seg_cine"]
    assert labels.shape[0] == 8
    curve = result.curves["lv_ml"]
    assert curve is not None
    cavity = np.count_nonzero(labels == SAX_LABELS[Structure.LV_CAVITY], axis=(1, 2, 3))
    assert curve.argmax() == cavity.argmax()


def test_results_are_written_as_on_the_command_line(result: cvai.Result, tmp_path: Path) -> None:
    paths = result.write(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    assert record["status"] == "analysed"
    assert {tmp_path / "out" / o["path"] for o in record["analyses"][0]["objects"]} == set(paths)
    assert record["analyses"][0]["measurements"] == result.measurements
    assert result.report().startswith(b"%PDF")


def test_a_refusal_says_why(study: tuple[Path, PhantomTruth], tmp_path: Path) -> None:
    source = tmp_path / "study"
    source.mkdir()
    first = min(study[0].rglob("*.dcm"))
    (source / first.name).write_bytes(first.read_bytes())
    (refused,) = cvai.analyze(source)
    assert refused.status == "refused"
    assert refused.error is not None
    assert (refused.error.code, refused.measurements, refused.labels) == ("no_cine", [], {})
    assert refused.write(tmp_path / "out") == []
    assert json.loads((tmp_path / "out" / "result.json").read_text())["refused"]["code"] == "no_cine"
    with pytest.raises(ValueError, match="nothing was measured"):
        refused.report()


@pytest.mark.slow
def test_an_array_is_labelled_as_the_study_is(result: cvai.Result) -> None:
    stack = result._analysed.cine.stack  # type: ignore[union-attr]
    geometry = stack.geometry
    spacing_mm = (geometry.slice_spacing_mm, geometry.spacing_y_mm, geometry.spacing_x_mm)
    assert np.array_equal(cvai.segment(stack.pixels, spacing_mm), result.labels["seg_cine"])
    assert cvai.segment(stack.pixels[0], spacing_mm).shape == stack.pixels.shape[1:]


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "kind"),
    [((4, 4), (1.0, 1.0), "cine_sax"), ((2, 3, 4, 4), (1.0, 1.0), "cine_sax"), ((4, 4), (1.0, 1.0), "none")],
)
def test_arrays_of_another_shape_or_kind_are_refused(
    shape: tuple[int, ...], spacing_mm: tuple[float, ...], kind: str
) -> None:
    with pytest.raises(ValueError, match=r"three spacings|no analysis"):
        cvai.segment(np.zeros(shape, np.float32), spacing_mm, kind)


def test_a_study_is_read(study: tuple[Path, PhantomTruth], tmp_path: Path) -> None:
    assert cvai.read(study[0]).study_uid == study[1].study_uid
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="0 studies"):
        cvai.read(tmp_path / "empty")
