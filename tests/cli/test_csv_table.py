from __future__ import annotations

import csv
from pathlib import Path

from typer.testing import CliRunner

from cvai.cli.csv_table import write_csv
from cvai.cli.main import app

MODEL = {"name": "sax", "version": "1.0.0"}


def measurement(name: str, value: float, interval: list[float] | None = None) -> dict[str, object]:
    return {"name": name, "unit": "%", "value": value, "interval": interval}


def analysis(kind: str, **fields: object) -> dict[str, object]:
    nothing = {"view": None, "model": None, "refused": None, "measurements": [], "findings": []}
    return {"kind": kind, "status": "analysed"} | nothing | fields


def test_a_table_has_a_row_for_each_analysis_of_a_study(tmp_path: Path) -> None:
    twice = [{"code": "one_view"}, {"code": "one_view"}, {"code": "no_matching_cine"}]
    results = [
        {
            "study_uid": "1.2",
            "status": "analysed",
            "patient": {"name": "Doe^Jane"},
            "analyses": [
                analysis("cine_sax", model=MODEL, measurements=[measurement("lv_ef", 55.0, [50.0, 60.0])]),
                analysis("late_enhancement", findings=twice, measurements=[measurement("infarct", 8.0)]),
            ],
        },
        {
            "study_uid": "1.3",
            "status": "refused",
            "analyses": [analysis("cine_sax", status="refused", refused={"code": "too_few_slices"})],
        },
        {"study_uid": None, "status": "nothing_to_do", "refused": {"code": "nothing_to_do"}, "analyses": []},
    ]
    write_csv(tmp_path / "table.csv", results)
    with (tmp_path / "table.csv").open(newline="") as file:
        cine, enhancement, refused, nothing = csv.DictReader(file)
    assert (cine["study_uid"], cine["model"], cine["lv_ef [%]"]) == ("1.2", "sax", "55.0")
    assert (cine["lv_ef low"], cine["lv_ef high"], cine["infarct [%]"]) == ("50.0", "60.0", "")
    assert enhancement["findings"] == "one_view no_matching_cine"
    assert "infarct low" not in enhancement
    assert (refused["status"], refused["refused"]) == ("refused", "too_few_slices")
    assert (nothing["study_uid"], nothing["analysis"], nothing["refused"]) == ("", "", "nothing_to_do")
    assert "Jane" not in (tmp_path / "table.csv").read_text()


def test_a_missing_folder_is_told_before_the_work(tmp_path: Path) -> None:
    asked = [
        "analyze",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        "--csv",
        str(tmp_path / "no/table.csv"),
    ]
    ended = CliRunner().invoke(app, asked)
    assert getattr(ended.exception, "code", "") == "output_folder_missing"
    assert not (tmp_path / "out").exists()
