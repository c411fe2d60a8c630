"""The systemd unit: hardened, known to systemd, and the same in its file and in the documentation."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.conftest import ROOT

UNIT = ROOT / "docs" / "deploy" / "cvai.service"
HARDENED = {
    "UMask": "0077",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "StateDirectoryMode": "0700",
    "CapabilityBoundingSet": "",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
}


def test_the_unit_is_hardened() -> None:
    settings = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line)
    assert {name: settings.get(name) for name in HARDENED} == HARDENED


def test_the_unit_of_the_documentation_is_the_one_in_its_file() -> None:
    (quoted,) = re.findall(
        r"```ini\n(\[Unit\].*?)```", (ROOT / "docs" / "howto" / "operations.md").read_text(), re.DOTALL
    )
    assert quoted == UNIT.read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_knows_every_line_of_the_unit() -> None:
    found = subprocess.run(
        ["systemd-analyze", "verify", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [line for line in found.stderr.splitlines() if UNIT.name in line]
    assert [line for line in complaints if "is not executable" not in line] == []
