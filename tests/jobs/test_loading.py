"""The analyses of a service, each of which looks at its own images."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvai.dicom.write.result_json import Status
from cvai.errors import ConfigurationInvalid
from cvai.jobs.inference_lock import InferenceLock
from cvai.jobs.loading import installed_of, load_analyses
from cvai.settings import Settings
from tests.analyses.test_analyse import CINE, DrawnHeart
from tests.conftest import ROOT
from tests.dicom.read.dicom_files import images, write
from tests.dicom.read.ultrasound_files import beating_frames, write_loop
from tests.fuzzing import NoHeart
from tests.ready import ready


@pytest.mark.slow
def test_an_analysis_is_done_alone_and_leaves_a_study_of_other_images_alone(tmp_path: Path) -> None:
    write(tmp_path / "mr", images(CINE))
    write_loop(tmp_path / "us" / "loop.dcm", beating_frames())
    cine, loops = (installed_of(analysis, InferenceLock()) for analysis in ready(DrawnHeart(), NoHeart))
    became = {
        (analysis.kind, name): outcome
        for analysis in (cine, loops)
        for name in ("mr", "us")
        for outcome in analysis.analyse(tmp_path / name, tmp_path / f"{analysis.kind} {name}")
    }
    assert {key: outcome.status for key, outcome in became.items()} == {
        ("cine_sax", "mr"): Status.ANALYSED,
        ("cine_sax", "us"): Status.NOTHING_TO_DO,
        ("echo_apical", "mr"): Status.NOTHING_TO_DO,
        ("echo_apical", "us"): Status.REFUSED,
    }


def test_every_installed_model_is_an_analysis_and_its_shadow_follows_from_the_card() -> None:
    found = {analysis.kind: analysis for analysis in load_analyses(Settings(shadow_model="echo"))}
    assert list(found) == ["cine_sax", "late_enhancement", "echo_apical", "coronary"]
    assert all(a.identity is not None and a.identity.sha256 == a.sha256 for a in found.values())
    assert found["cine_sax"].sop_classes == found["late_enhancement"].sop_classes
    assert found["cine_sax"].sop_classes.isdisjoint(
        found["echo_apical"].sop_classes | found["coronary"].sop_classes
    )
    loops = found.pop("echo_apical")
    assert loops.shadow is not None
    assert loops.shadow.identity == loops.identity
    assert all(analysis.shadow is None for analysis in found.values())


def test_a_site_chooses_its_analyses() -> None:
    chosen = load_analyses(Settings(analyses=("echo_apical", "cine_sax")))
    assert [analysis.kind for analysis in chosen] == ["cine_sax", "echo_apical"]
    with pytest.raises(ConfigurationInvalid) as caught:
        load_analyses(Settings(analyses=("cine",)))
    assert caught.value.code == "analysis_unknown"


def test_a_shadow_without_a_model_at_work_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.analyses.registry.installed_models", lambda: ("sax",))
    assert [analysis.kind for analysis in load_analyses(Settings())] == ["cine_sax"]
    with pytest.raises(ConfigurationInvalid) as caught:
        load_analyses(Settings(shadow_model=str(ROOT / "models" / "echo")))
    assert caught.value.code == "shadow_without_model"
