"""Intervals recalibrated on a site's own studies."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta
from structlog.testing import capture_logs
from typer.testing import CliRunner

from cvai.acceptance.cases import Case, Cases, ComparedNumber
from cvai.acceptance.intervals import site_model, with_table
from cvai.acceptance.table import ReferenceTable
from cvai.analyses.registry import ready_analyses
from cvai.cli import exits
from cvai.cli.main import app
from cvai.doctor.checks import check_intervals
from cvai.errors import ConfigurationInvalid
from cvai.jobs.loading import load_analyses
from cvai.models.card import ModelCard, UncertaintyCard, load_card
from cvai.models.folders import model_folder
from cvai.models.site_intervals import FEWEST_STUDIES, SiteModel, SiteNumber, load_site_intervals
from cvai.review.database import Database
from cvai.review.decisions import Decision, Decisions
from cvai.review.server import DATABASE_NAME
from cvai.settings import Settings
from tests.acceptance.made import case, cases
from tests.review.test_records import decision

SAX = load_card(model_folder("sax"))
CARD = SAX.model_copy(
    update={
        "uncertainty": UncertaintyCard(
            confidence=0.9, patients=100, half_widths={"lv_ef": 5.0}, shares={"lv_edv": 0.1}
        )
    }
)


def recalibrated(made: Cases, card: ModelCard = CARD, *, independent: bool = True) -> SiteModel:
    return site_model(made, card, independent=independent)


def lv_ef(differences: Sequence[float], *, independent: bool = True) -> SiteNumber:
    """What studies with these differences say of an interval of 5 points."""
    made = cases(*(case(n, difference) for n, difference in enumerate(differences)))
    return recalibrated(made, independent=independent).numbers["lv_ef"]


def test_the_factor_is_the_conformal_quantile_of_differences_over_half_widths() -> None:
    number = lv_ef([0.1 * n for n in range(1, 61)])
    # Rank ceil(61 * 0.9) = 55 of 60: 5.5 points, of which the model's own is 5.
    assert number.factor == 1.1
    assert number.own is not None
    assert (number.own.held, number.own.median_half_width) == (50, pytest.approx(5.0))
    assert number.site is not None
    assert number.site.median_half_width == pytest.approx(5.5)
    # Without itself, each study up to rank 54 is held; the one at 55 meets the next of rank 54.
    assert number.site.held == 54


def test_a_volume_is_measured_by_the_half_width_that_its_own_patient_had() -> None:
    def compared(n: int) -> ComparedNumber:
        measured = 100.0 + n
        return ComparedNumber(measured, 1.2 * measured, "mL", (0.9 * measured, 1.1 * measured))

    made = cases(*(Case(f"1.{n}", None, numbers={"lv_edv": compared(n)}) for n in range(60)))
    assert recalibrated(made).numbers["lv_edv"].factor == pytest.approx(2.0, abs=0.002)


def test_an_interval_that_ends_where_a_value_becomes_impossible_counts_in_full() -> None:
    compared = ComparedNumber(98.0, 103.0, "%", (93.0, 100.0))
    made = cases(*(Case(f"1.{n}", None, numbers={"lv_ef": compared}) for n in range(50)))
    assert recalibrated(made).numbers["lv_ef"].factor == 1.0


def test_signed_studies_widen_intervals_and_only_independent_values_narrow_them() -> None:
    small = [0.04 * n for n in range(60)]
    assert lv_ef(small, independent=True).factor == pytest.approx(0.432, abs=0.001)
    assert lv_ef(small, independent=False).factor == 1.0
    large = [0.2 * n for n in range(60)]
    assert lv_ef(large, independent=True).factor == lv_ef(large, independent=False).factor


@pytest.mark.parametrize(("n", "is_made"), [(FEWEST_STUDIES - 1, False), (FEWEST_STUDIES, True)])
def test_fewer_studies_leave_the_interval_of_the_model(n: int, is_made: bool) -> None:
    number = lv_ef([0.2 * n for n in range(n)])
    assert (number.factor is not None, number.site is not None) == (is_made, is_made)
    assert number.studies == n


def test_with_the_fewest_studies_coverage_below_four_fifths_is_improbable() -> None:
    def probability(n: int) -> float:
        rank = math.ceil((n + 1) * 0.9)
        return float(beta.sf(0.8, rank, n + 1 - rank))

    assert probability(FEWEST_STUDIES) == pytest.approx(0.98, abs=0.005)
    assert probability(9) == pytest.approx(0.87, abs=0.005)


def test_recalibrated_intervals_hold_new_patients_of_the_site_as_often_as_promised() -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(400):
        errors = 3 + 4 * rng.standard_t(4, FEWEST_STUDIES + 1)  # a bias and a spread that the model has not
        number = lv_ef([float(error) for error in errors[:-1]])
        assert number.factor is not None
        held.append(abs(errors[-1]) <= 5.0 * number.factor)
    assert 0.87 <= np.mean(held) <= 0.95


def test_what_a_former_calibration_did_is_undone_before_the_next() -> None:
    made = cases(*(case(n, 0.1 * n, half_width=10.0) for n in range(60)))
    doubled = replace(
        made,
        cases=tuple(
            replace(c, numbers={k: replace(v, factor=2.0) for k, v in c.numbers.items()}) for c in made.cases
        ),
    )
    number = recalibrated(doubled).numbers["lv_ef"]
    assert number.own is not None
    assert number.own.median_half_width == pytest.approx(5.0)
    assert number.factor == lv_ef([0.1 * n for n in range(60)]).factor


def test_numbers_without_an_interval_of_the_model_are_left_out() -> None:
    silent = CARD.model_copy(update={"uncertainty": None})
    made = cases(*(case(n, 1.0) for n in range(60)))
    assert recalibrated(made, silent).numbers == {}
    other = {"wall_motion_score_index": ComparedNumber(1.0, 1.5, "1", (1.0, 2.0))}
    assert recalibrated(cases(Case("1.2", None, numbers=other))).numbers == {}


def test_a_table_takes_the_place_of_signed_values_and_leaves_other_studies_out() -> None:
    table = ReferenceTable("StudyInstanceUID", {"1.2.1": {"lv_ef": 61.0, "lv_edv": 150.0}})
    (found,) = with_table(cases(case(1, 2.0), case(2, 2.0)), table).cases
    assert {name: number.reference for name, number in found.numbers.items()} == {"lv_ef": 61.0}


def signed(number: int, difference: float) -> Decision:
    """A decision on a result of the installed model, whose LVEF had an interval of 5 points."""
    made = decision(number, 50.0, 50.0 + difference)
    model = replace(made.reading.model, name=SAX.name, version=SAX.version, sha256=SAX.sha256)
    more = {"intervals": {"lv_ef": [45.0, 55.0]}, "units": {"lv_ef": "%"}, "factors": {"lv_ef": 1.0}}
    return replace(made, reading=replace(made.reading, model=model), comparison={**made.comparison, **more})


@pytest.fixture
def service(tmp_path: Path) -> Callable[[int], Path]:
    """Makes the configuration of a service with so many signed studies, which differ by up to 12 points."""

    def made(n: int) -> Path:
        data = tmp_path / "data"
        data.mkdir()
        database = Database(data / DATABASE_NAME)
        with database.transaction() as rows:
            rows.execute("INSERT INTO readers VALUES ('hart', 'reviewer', 'A^B', 'x')")
        for number in range(n):
            each = signed(number, 0.2 * number)
            Decisions(database).add("hart", each.reading, each.comparison, after=0)
        database.close()
        config = tmp_path / "service.toml"
        config.write_text(f'data_folder = "{data}"\n')
        return config

    return made


def run(*arguments: str | Path) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["intervals", *map(str, arguments)])
    return ended.exit_code, ended.output


def test_the_command_shows_both_intervals_and_writes_what_a_setting_may_name(
    service: Callable[[int], Path], tmp_path: Path
) -> None:
    config, out = service(60), tmp_path / "intervals.json"
    code, text = run("--config", config, "--out", out)
    assert code == 0
    line = next(line for line in text.splitlines() if "lv_ef" in line)
    assert line.split()[2:4] == ["60", "5.0"]
    assert "26/60" in line
    assert "2.160" in line
    written = json.loads(out.read_text())
    sax = written["models"][0]
    assert (written["schema"], sax["sha256"]) == ("cvai.intervals/1", SAX.sha256)
    assert not written["independent"]
    assert "1.2." not in out.read_text()
    audit = (tmp_path / "data" / "audit.log").read_text()
    assert 'ParticipantObjectID="intervals"' in audit
    code, printed = run("--config", config, "--json")
    assert json.loads(printed)["models"] == written["models"]


def test_too_few_signed_studies_recalibrate_nothing(service: Callable[[int], Path], tmp_path: Path) -> None:
    code, text = run("--config", service(12), "--out", tmp_path / "intervals.json")
    assert code == exits.UNDECIDED
    assert f"the model's own: {FEWEST_STUDIES} needed" in text
    assert load_site_intervals(tmp_path / "intervals.json").of_model(SAX.sha256) == {}


def test_a_table_must_name_studies_by_their_uid(service: Callable[[int], Path], tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text("accession_number,lv_ef\nA1,50\n")
    code, _ = run("--config", service(1), "--reference", tmp_path / "values.csv")
    assert code == exits.USAGE


@pytest.fixture
def written(service: Callable[[int], Path], tmp_path: Path) -> Path:
    """The file of sixty signed studies."""
    out = tmp_path / "intervals.json"
    assert run("--config", service(60), "--out", out)[0] == 0
    return out


def test_nothing_is_used_without_the_setting_and_the_very_model(written: Path) -> None:
    def uncertainty(**more: Any) -> Any:
        (cine, *_) = ready_analyses(**more)
        return cine.model().uncertainty  # type: ignore[attr-defined]

    own, site = uncertainty(), uncertainty(site=load_site_intervals(written))
    assert own.of_site == {}
    assert site.of_site["lv_ef"].studies == 60
    assert site.half_width("lv_ef", 50.0) == pytest.approx(2.16 * own.half_width("lv_ef", 50.0))
    assert site.half_width("rv_ef", 50.0) == own.half_width("rv_ef", 50.0)
    written.write_text(written.read_text().replace(SAX.sha256, "ab" * 32))
    assert uncertainty(site=load_site_intervals(written)).of_site == {}


def test_another_model_withdraws_them_and_log_and_doctor_say_so(written: Path, tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path / "data", site_intervals=written, analyses=("cine_sax",))
    assert check_intervals(Settings()).detail == "of the models"
    used = check_intervals(settings)
    assert (used.ok, "cine_sax: 1 recalibrated" in used.detail) == (True, True)
    written.write_text(written.read_text().replace(SAX.sha256, "ab" * 32))
    with capture_logs() as logs:
        load_analyses(settings)
    (logged,) = (line for line in logs if line["event"] == "site_intervals_withdrawn")
    assert (logged["kind"], logged["of"]) == ("cine_sax", f"sax {SAX.version}")
    assert not check_intervals(settings).ok
    assert f"cine_sax: withdrawn, sax {SAX.version}" in check_intervals(settings).detail


@pytest.mark.parametrize(
    ("old", "new"), [("{", "["), ('"numbers"', '"figures"'), ('"studies": 60', '"studies": 6')]
)
def test_a_file_that_is_not_whole_is_refused(written: Path, old: str, new: str) -> None:
    written.write_text(written.read_text().replace(old, new))
    with pytest.raises(ConfigurationInvalid) as caught:
        load_site_intervals(written)
    assert caught.value.code == "site_intervals_invalid"


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        load_analyses(Settings(site_intervals=tmp_path / "none.json"))
    assert caught.value.code == "site_intervals_invalid"
