"""Settings: where they come from, what is refused, and that the example tells them all."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from cvai.errors import ConfigurationInvalid
from cvai.settings import Settings, load_settings
from tests.conftest import ROOT

EXAMPLE = ROOT / "configs" / "service.example.toml"
COMPUTED = {
    "folder.inbox",
    "folder.archive",
    "database_url",
    "database_password",
    "orthanc.username",
    "orthanc.password",
    "dicomweb.username",
    "dicomweb.password",
    "dicom.tls_certificate",
    "dicom.tls_key",
    "dicom.tls_authorities",
    "send.host",
    "worklist.url",
    "worklist.username",
    "worklist.password",
    "worklist.events_url",
    "fhir.url",
    "fhir.token",
    "fhir.patient_system",
    "hl7.host",
    "hl7.link",
    "review.address",
    "review.public_url",
    "review.viewer_url",
    "shadow_model",
    "site_intervals",
    "device_batch",
    "oidc.issuer",
    "oidc.client_secret",
    "monitor_address",
    "poll_interval_s",
    "rules",
    "keep.results_days",
    "keep.results_gb",
    "audit.file",
    "audit.syslog_host",
}
"""Settings whose default is told in words, since the code computes it or there is none."""


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CVAI_THREADS", "CVAI_DATA_FOLDER", "CVAI_ORTHANC__URL", "CVAI_ORTHANC__PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def leaves(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Dotted name and default of every setting."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            found |= leaves(type(field.default), f"{prefix}{name}.")
        else:
            found[prefix + name] = field.default
    return found


def example_settings() -> dict[str, Any]:
    """Dotted name and value of every setting the example shows, its comments taken for settings."""
    text = re.sub(r"^# (\w+ = )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    tables = tomllib.loads(text)
    found: dict[str, Any] = {}
    for name, value in tables.items():
        found |= {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return found


def test_the_example_names_every_setting_and_no_other() -> None:
    assert example_settings().keys() == leaves(Settings).keys()


def test_the_example_shows_the_defaults() -> None:
    defaults = leaves(Settings)
    shown = {name: value for name, value in example_settings().items() if name not in COMPUTED}
    assert shown == {name: _plain(defaults[name]) for name in shown}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def test_every_setting_of_the_example_has_a_comment_above_it() -> None:
    lines = EXAMPLE.read_text().splitlines()
    shown = [n for n, line in enumerate(lines) if re.match(r"# \w+ = ", line)]
    uncommented = [lines[n] for n in shown if not lines[n - 1].startswith("#")]
    assert uncommented == []


def test_the_example_as_it_stands_changes_nothing() -> None:
    assert load_settings(EXAMPLE).model_dump() == load_settings(None).model_dump()


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "service.toml"
    config.write_text('threads = 3\njobs_at_once = 2\n[orthanc]\nurl = "http://a"\nusername = "u"\n')
    monkeypatch.setenv("CVAI_THREADS", "7")
    monkeypatch.setenv("CVAI_ORTHANC__URL", "http://b")
    settings = load_settings(config)
    assert (settings.threads, settings.jobs_at_once) == (7, 2)
    assert (settings.orthanc.url, settings.orthanc.username) == ("http://b", "u")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("thread = 2", "thread"),
        ("[orthanc]\nuser = 'x'", "orthanc.user"),
        ("threads = 0", "threads"),
        ("archive = 'cloud'", "archive"),
        ("[orthanc]\nurl = 'ftp://host'", "orthanc.url"),
        ("[orthanc]\nurl = 'http://user:secret@host'", "orthanc.url"),
        ("worker_name = '../other'", "worker_name"),
        ("[oidc]\nissuer = 'http://login.example.org'", "https://"),
        ("[oidc]\nscope = 'profile'", "oidc.scope"),
        ("[dicom]\nlisten = true", "allowed_ae_titles"),
        ("[folder]\ninbox_shared = true", "inbox_shared"),
        ("[review]\nproxies = ['everybody']", "review.proxies"),
        ("[dicom]\nae_title = 'seventeen letters'", "dicom.ae_title"),
        ("[dicom]\nallowed_networks = ['everywhere']", "dicom.allowed_networks"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_without_its_value(
    tmp_path: Path, text: str, told: str
) -> None:
    config = tmp_path / "service.toml"
    config.write_text(text)
    with pytest.raises(ConfigurationInvalid) as caught:
        load_settings(config)
    assert told in caught.value.message
    assert "secret" not in caught.value.message


def test_a_wrong_setting_is_named_with_file_line_and_nearest_key(tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text(
        "# a service\nthreds = 2\n\n[review]\nadress = 'localhost:1'\n[folder]\nsettle_s = -1\n"
    )
    with pytest.raises(ConfigurationInvalid) as caught:
        load_settings(config)
    message = caught.value.message
    assert str(config) in message
    assert "line 2, threds: no such key, the nearest is threads" in message
    assert "line 5, review.adress: no such key, the nearest is review.address" in message
    assert "line 7, folder.settle_s: " in message


def test_a_missing_and_a_broken_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="no configuration file"):
        load_settings(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("threads = ")
    with pytest.raises(ConfigurationInvalid, match="not valid TOML"):
        load_settings(tmp_path / "broken.toml")


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVAI_ORTHANC__PASSWORD", "do-not-tell")
    settings = load_settings(None)
    assert isinstance(settings.orthanc.password, SecretStr)
    assert "do-not-tell" not in repr(settings)
    assert settings.orthanc.password.get_secret_value() == "do-not-tell"
