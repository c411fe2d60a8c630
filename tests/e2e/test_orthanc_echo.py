"""Ultrasound the whole way: loops are stored in an Orthanc, and SEG, SR and PDF soon stand beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvai.inference.models import installed_models
from tests.e2e.conftest import Site
from tests.engine.test_echo import write_camus_study
from tests.orthanc import needs_orthanc
from tests.study.ultrasound_files import STUDY

pytestmark = [
    needs_orthanc,
    pytest.mark.orthanc,
    pytest.mark.real_data,
    pytest.mark.skipif("echo" not in installed_models(), reason="the echo model is not installed"),
]


def test_loops_of_both_views_get_their_results(site: Site, real_data: Path, tmp_path: Path) -> None:
    write_camus_study(real_data, tmp_path / "study")
    site.serve()
    site.orthanc.stow(sorted((tmp_path / "study").glob("*.dcm")))
    site.ended_jobs(1)
    assert {job["state"] for job in site.listed_jobs()} == {"analysed"}
    assert site.modalities(STUDY) == {"US": 2, "SEG": 2, "SR": 1, "DOC": 1}
