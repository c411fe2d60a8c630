from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from rich.console import Console

from cvai.training.datasets.data import LabelledVolume
from cvai.training.evaluation.page import page
from cvai.training.evaluation.terminal import print_report
from cvai.training.evaluation.write import write_report
from cvai.training.tasks.sax.evaluation.cells import Grid, grids
from cvai.training.tasks.sax.evaluation.conditions import CONDITIONS
from cvai.training.tasks.sax.evaluation.record import headline_metrics, record
from cvai.training.tasks.sax.evaluation.report import report
from cvai.training.tasks.sax.evaluation.robustness import robustness
from cvai.training.tasks.sax.evaluation.scores import score_volumes
from cvai.training.tasks.sax.evaluation.summary import Evaluation, summed_up
from cvai.training.tasks.sax.evaluation.worst import WorstCase, worst_case_figure, worst_cases
from tests.conftest import ROOT
from tests.training.known import IDENTITY, Known, Labels, ReadsGrey, drawn_heart, shifted


def hearts(n: int) -> list[LabelledVolume]:
    """Both phases of ``n`` patients, each heart in another place."""
    return [
        drawn_heart(centre=(38.0 + k, 50.0 + 2 * k), patient=f"patient{k:03d}", phase=phase, shape=shape)
        for k in range(n)
        for phase, shape in (("ED", (6, 90, 100)), ("ES", (5, 90, 100)))
    ]


def evaluated(volumes: list[LabelledVolume], segmenter: Known) -> Evaluation:
    return summed_up(score_volumes(volumes, segmenter), IDENTITY, "some/split.toml")


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Six patients one column off, one of whom is refused at end-systole."""
    volumes = hearts(6)
    off = Known(volumes, change=lambda labels: shifted(labels, 1), refuses=frozenset({("patient003", "ES")}))
    tried = robustness(volumes[:2], ReadsGrey(), CONDITIONS[:2])
    return summed_up(score_volumes(volumes, off), IDENTITY, "some/split.toml", tried)


def keys_of(tree: object) -> set[str]:
    """Every key at any depth."""
    if isinstance(tree, dict):
        return set(tree) | {key for value in tree.values() for key in keys_of(value)}
    return {key for item in tree for key in keys_of(item)} if isinstance(tree, list | tuple) else set()


def test_every_key_of_the_record_is_documented(evaluation: Evaluation) -> None:
    text = (ROOT / "docs" / "reference" / "evaluation.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([\w.]+)`", text))
    unknown = keys_of(record(evaluation)) - documented - {"NOR"}  # the disease group of the drawn hearts
    # Quantities of the right ventricle are documented by their prefix.
    assert {key for key in unknown if not key.startswith("rv_")} == set()


def test_the_record_says_which_model_on_which_patients(evaluation: Evaluation) -> None:
    told = json.loads(report(evaluation).record_json)
    assert told["schema"] == "cvai.evaluation/1"
    assert told["model"]["sha256"] == IDENTITY.sha256
    assert (told["split"], told["patients"], len(told["volumes"])) == ("some/split.toml", 6, 12)
    assert told["refused"] == [{"patient": "patient003", "phase": "ES", "code": "heart_not_found"}]
    assert told["dice"]["ES"]["lv_cavity"]["n"] == 6
    assert told["hd95_mm"]["ES"]["lv_cavity"]["n"] == 5
    assert told["hd95_mm"]["ES"]["lv_cavity"]["mean"] == pytest.approx(1.3)
    assert told["agreement"]["lv_ef"]["n"] == 5
    assert told["by_group"]["NOR"]["patients"] == 6
    assert list(told["robustness"]["conditions"]) == ["unchanged", "rotated_90", "mirrored"]


def test_one_patient_is_enough_for_a_record_without_nan() -> None:
    volumes = hearts(1)
    told = json.loads(report(evaluated(volumes, Known(volumes))).record_json)
    assert told["agreement"]["lv_ef"]["sd"] == {"value": None, "interval": None}
    assert told["robustness"] is None


def test_when_every_heart_is_refused_the_record_still_stands() -> None:
    volumes = hearts(2)
    refuses = frozenset((v.patient, v.phase) for v in volumes)
    refused = evaluated(volumes, Known(volumes, refuses=refuses))
    assert record(refused)["agreement"] == {}
    assert all(grid.rows or grid.title == "Measured minus reference" for grid in grids(refused))


def test_headline_metrics_are_flat_numbers(evaluation: Evaluation) -> None:
    metrics = headline_metrics(evaluation)
    assert metrics["dice_rv_cavity_es"] == evaluation.overall.dice["ES"]["rv_cavity"].mean.value  # type: ignore[index]
    assert metrics["lv_mass_bias"] == 0.0
    assert all(isinstance(value, float) for value in metrics.values())


def test_a_table_has_as_many_cells_as_its_header() -> None:
    with pytest.raises(ValueError, match="every row needs 2 cells"):
        Grid("t", ("a", "b"), (("1",),))


def test_tables_fit_a_hundred_columns_and_cut_nothing(evaluation: Evaluation) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    print_report(console, report(evaluation))
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text
    assert "patient003 ES: heart_not_found" in text
    for grid in grids(evaluation):
        for row in grid.rows:
            assert all(cell in text for cell in row)


def test_the_page_needs_nothing_from_outside_and_tells_what_the_terminal_tells(
    evaluation: Evaluation,
) -> None:
    html = page(report(evaluation), {"A <picture>": b"\x89PNG"})
    assert re.findall(r"https?://|<link|<script|@import|url\(", html) == []
    assert set(re.findall(r'src="(.{10})', html)) == {"data:image"}
    assert re.findall(r"\{_?[A-Za-z]+\}", html) == []
    assert "A &lt;picture&gt;" in html
    assert "Refused: patient003 ES" in html
    for grid in grids(evaluation):
        for row in grid.rows:
            assert all(f"<td>{cell}</td>" in html for cell in row)


def test_names_cannot_break_the_page(evaluation: Evaluation) -> None:
    volumes = [
        drawn_heart(patient="<script>alert(1)</script>", phase=phase, centre=centre)
        for phase, centre in (("ED", (40.0, 50.0)), ("ES", (41.0, 50.0)))
    ]
    assert "<script>" not in page(report(evaluated(volumes, Known(volumes))), {})


def without_right_ventricle(labels: Labels) -> Labels:
    out = labels.copy()
    out[labels == 3] = 0
    return out


def test_the_worst_cases_are_the_refused_the_lowest_dice_and_the_largest_error() -> None:
    volumes = hearts(6)

    def change(labels: Labels) -> Labels:
        worst = next(v for v in volumes if v.patient == "patient004" and v.phase == "ES")
        return without_right_ventricle(labels) if np.array_equal(labels, worst.labels) else labels.copy()

    refuses = frozenset({("patient001", "ED")})
    cases = worst_cases(evaluated(volumes, Known(volumes, change=change, refuses=refuses)))
    reasons = {(c.score.patient, c.score.phase): c.reasons for c in cases}
    assert reasons["patient001", "ED"][0] == "refused: heart_not_found"
    assert "low Dice of the right ventricular cavity" in reasons["patient004", "ES"]
    assert any(reason.startswith("largest error of RV EF") for reason in reasons["patient004", "ED"])
    assert len(reasons) == len(cases)


def test_a_worst_case_shows_every_slice_with_both_contours() -> None:
    volume = drawn_heart(shape=(7, 90, 100))
    [score] = score_volumes([volume], Known([volume]))
    figure = worst_case_figure(WorstCase(score, ("because",)), volume, shifted(volume.labels, 2))
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in shown] == [f"slice {z + 1}" for z in range(7)]
    contours = [len(axis.collections) for axis in shown]
    assert contours == [2 * len(set(volume.labels[z].ravel()) - {0}) for z in range(7)]


def test_the_folder_holds_record_page_and_pictures_of_this_evaluation_only(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    volume = drawn_heart()
    [score] = score_volumes([volume], Known([volume]))
    case = WorstCase(score, ("because",))
    picture = worst_case_figure(case, volume, volume.labels)
    write_report(report(evaluation, lambda: {"worst_patient999_ED": picture}), tmp_path)
    write_report(report(evaluation, lambda: {case.file_stem: picture}), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"evaluation.json", "report.html", "bland_altman.png", "worst_patient001_ED.png"}
    assert json.loads((tmp_path / "evaluation.json").read_text()) == json.loads(
        report(evaluation).record_json
    )
    assert (tmp_path / "report.html").read_text().count("data:image/png;base64,") == 2


def test_the_same_evaluation_is_written_the_same_twice(evaluation: Evaluation, tmp_path: Path) -> None:
    first, second = (write_report(report(evaluation), tmp_path / name) for name in ("a", "b"))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
