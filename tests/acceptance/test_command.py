"""``cvai acceptance`` with studies, with decisions, and what it writes."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cvai.acceptance.record import Acceptance, accepted_or_not
from cvai.acceptance.report import report_pdf
from cvai.cli import exits
from cvai.cli.main import app
from cvai.errors import StudyRefused
from cvai.jobs.job import StudyJob
from cvai.jobs.rules import Priority
from cvai.phantom.cine_sax.study import write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.pipeline import StudyOutcome
from cvai.review.database import Database
from cvai.review.decisions import Decisions
from cvai.review.server import DATABASE_NAME
from tests.acceptance.made import SITE, bounds, cases, differing, refused
from tests.jobs.conftest import Bench
from tests.review.test_records import READING, decision
from tests.standin import installed, write_study

SMALL = PhantomAcquisition(n_phases=8, rows=112, columns=112, spacing_y_mm=3.0, spacing_x_mm=3.0)
BOUNDS = """\
fewest_studies = 2
[analyses.cine_sax]
refused = {refused}
[analyses.cine_sax.numbers.lv_ef]
bias = 5
"""


def run(*arguments: str | Path) -> tuple[int, Any]:
    """Exit status and the record that is printed."""
    ended = CliRunner().invoke(app, ["acceptance", *map(str, arguments), "--json"])
    return ended.exit_code, json.loads(ended.stdout) if ended.stdout.startswith("{") else ended.output


@pytest.mark.slow
def test_a_folder_of_studies_is_analysed_and_compared_with_a_table(tmp_path: Path) -> None:
    truth = write_phantom_study(tmp_path / "studies" / "a", PhantomHeart.drawn(1, 55.0), SMALL)
    write_phantom_study(tmp_path / "studies" / "b", PhantomHeart.drawn(2, 40.0), SMALL)
    lv_ef = truth.to_json()["measurements"]["lv_ef"]
    (tmp_path / "values.csv").write_text(f"study_uid,lv_ef\n{truth.study_uid},{lv_ef}\n9.9.9,50\n")
    (tmp_path / "bounds.toml").write_text(BOUNDS.format(refused=0.1))
    out = tmp_path / "out"
    code, record = run(
        tmp_path / "studies",
        *("--reference", tmp_path / "values.csv", "--bounds", tmp_path / "bounds.toml", "--out", out),
    )
    assert code == exits.UNDECIDED
    assert json.loads((out / "acceptance.json").read_text()) == record
    assert (out / "acceptance.pdf").read_bytes().startswith(b"%PDF")
    (analysis,) = record["analyses"]
    (study,) = analysis["studies"]
    assert study["study_uid"] == truth.study_uid
    number = study["numbers"]["lv_ef"]
    assert number["measured"] == pytest.approx(lv_ef, abs=8.0)
    assert (number["reference"], number["unit"]) == (lv_ef, "%")
    assert analysis["notes"] == [
        "Studies of the table that are not in the folder: 1.",
        "Studies of the folder that the table states nothing of: 1.",
    ]


def refusing(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
    raise StudyRefused("slice_missing", "One slice is missing.")


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Configuration of a service with twelve signed studies and one that was refused."""
    data = tmp_path / "data"
    made = Bench(data, beside=(installed(refusing, READING.model.sha256, "cine_sax"),))
    made.receive(write_study(tmp_path / "src", "1.2.99"))
    engine = made.start()
    job = StudyJob("1.2.99", made.job("1.2.99").digest, READING.model.sha256, "cine_sax")
    engine.submit(job, Priority.ROUTINE)
    made.ended(job)
    made.stop()
    database = Database(data / DATABASE_NAME)
    with database.transaction() as rows:
        rows.execute("INSERT INTO readers VALUES ('hart', 'reviewer', 'A^B', 'x')")
    for n in range(12):
        each = decision(n, 50.0, 50.0 + n % 3)
        Decisions(database).add("hart", each.reading, each.comparison, after=0)
    database.close()
    config = tmp_path / "service.toml"
    config.write_text(f'data_folder = "{data}"\n')
    return config


@pytest.mark.slow
def test_decisions_of_a_service_are_judged_and_the_look_at_them_is_audited(
    service: Path, tmp_path: Path
) -> None:
    limits = tmp_path / "bounds.toml"
    limits.write_text(BOUNDS.format(refused=0.5))
    code, record = run("--bounds", limits, "--out", tmp_path / "out", "--config", service)
    assert (code, record["verdict"]) == (0, "accepted")
    everything = record["analyses"][0]["all"]
    assert everything["refusals"] == {"slice_missing": 1}
    assert everything["numbers"]["lv_ef"]["agreement"]["bias"]["value"] == pytest.approx(-1.0)
    audit = (tmp_path / "data" / "audit.log").read_text()
    assert "1.2.99" in audit
    assert 'ParticipantObjectID="acceptance"' in audit
    limits.write_text(BOUNDS.format(refused=0.001))
    code, record = run("--bounds", limits, "--out", tmp_path / "out", "--config", service)
    assert (code, record["verdict"]) == (exits.REFUSED, "not accepted")


def test_a_folder_without_a_table_is_wrong_usage(tmp_path: Path) -> None:
    code, _ = run(tmp_path, "--bounds", tmp_path / "b.toml", "--out", tmp_path)
    assert code == exits.USAGE


def made_test() -> Acceptance:
    men = [*differing([1.0, -2.0, 3.0] * 4, SITE, first=50)]
    made = cases(*differing([-1.0, 0.0, 1.0, 2.0] * 8), *men, refused(99, "slice_missing"))
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    return accepted_or_not(
        [made], bounds(bias=4.0), bounds_sha256="ab" * 32, reference="table values.csv", at=at
    )


def test_the_report_says_verdict_statistics_and_groups_and_names_no_study(tmp_path: Path) -> None:
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext is not installed (Debian package poppler-utils)")
    (tmp_path / "report.pdf").write_bytes(report_pdf(made_test()))
    command = [program, "-layout", tmp_path / "report.pdf", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for said in ("ACCEPTED", "table values.csv", "ab" * 32, "sax 0.5.0", "slice_missing", "Imaginary Ring 3"):
        assert said in text, said
    assert "+0.5 (+0.1 to +1.0)" in text
    assert "1.2.5" not in text


def test_the_same_test_gives_the_same_report() -> None:
    assert report_pdf(made_test()) == report_pdf(made_test())
