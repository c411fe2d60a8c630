"""The analyses of a service, each of which looks at its own images."""

from __future__ import annotations

import pytest

from cvai.engine.loading import load_analyses
from cvai.errors import ConfigurationInvalid
from cvai.settings import Settings


def test_every_installed_model_is_an_analysis_and_its_shadow_follows_from_the_card() -> None:
    cine, loops = load_analyses(Settings(shadow_model="echo"))
    assert (cine.kind, loops.kind) == ("cine_sax", "echo_apical")
    assert cine.sop_classes.isdisjoint(loops.sop_classes)
    assert cine.identity is not None
    assert loops.identity is not None
    assert (cine.sha256, loops.sha256) == (cine.identity.sha256, loops.identity.sha256)
    assert cine.shadow is None
    assert loops.shadow is not None
    assert loops.shadow.identity == loops.identity


def test_a_shadow_without_a_model_at_work_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.analyses.registry.installed_models", lambda: ("sax",))
    assert [analysis.kind for analysis in load_analyses(Settings())] == ["cine_sax"]
    with pytest.raises(ConfigurationInvalid) as caught:
        load_analyses(Settings(shadow_model="echo"))
    assert caught.value.code == "shadow_without_model"
