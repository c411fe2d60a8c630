from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cvai.cli.main import app


def shown(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["config", "show", *arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "service.toml"
    path.write_text(
        'threads = 3\n[orthanc]\nurl = "http://pacs:8042"\npassword = "of-the-file"\n'
        '[[rules]]\nstation = "XA1"\nthen = "ignore"\n'
    )
    return path


def test_every_setting_is_shown_with_its_source(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVAI_ORTHANC__URL", "http://other:8042")
    rows = json.loads(shown("--config", str(config), "--json").stdout)
    assert rows["threads"] == {"value": 3, "from": "file"}
    assert rows["orthanc.url"] == {"value": "http://other:8042", "from": "environment"}
    assert rows["jobs_at_once"] == {"value": 2, "from": "default"}
    assert rows["rules"]["from"] == "file"
    assert rows["rules"]["value"][0]["station"] == "XA1"


def test_secrets_are_not_shown(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVAI_DATABASE_URL", "postgresql://cvai:of-the-environment@db/cvai")
    for arguments in (["--config", str(config)], ["--config", str(config), "--json"]):
        out = shown(*arguments).stdout
        assert "of-the" not in out
        assert out.count("(set, not shown)") == 2


def test_a_reader_sees_what_differs_from_the_default(config: Path) -> None:
    lines = [line for line in shown("--config", str(config)).stdout.splitlines() if "#" in line]
    assert [line.split()[0] for line in lines] == ["threads", "rules", "orthanc.url", "orthanc.password"]
    assert all(line.endswith("# file") for line in lines)
