from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from benchmarks.camus_simpson import agreement, measured_ef_percent
from cvai.errors import ConfigurationInvalid
from cvai.training.tasks.echo.reference import load_references


def test_discs_on_the_reference_contours_give_the_ejection_fraction_camus_states(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVAI_DATA", str(real_data))
    references = load_references(real_data / "camus")
    validation = sorted(p.name for p in (real_data / "camus" / "val").iterdir())
    patients = [references[name] for name in validation if references[name].size_mm is not None]
    assert len(patients) > 40
    measured = [measured_ef_percent(patient)["biplane discs"] for patient in patients]
    bias, sd, _, r = agreement(measured, [patient.ef_percent for patient in patients])
    assert abs(bias) < 0.5
    assert sd < 2.0
    assert r > 0.98


def test_a_table_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"patients\.csv"):
        load_references(tmp_path)
