"""A service started with an umask of 0 in folders open to everybody leaves nothing that others can read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cvai.audit.messages import user_of_system
from cvai.review.sign_in.accounts import Role
from tests.conftest import ROOT
from tests.process import eventually
from tests.review.site import Site, new_site, running
from tests.review.test_requests import words

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that has measured a study, and whose reader has looked at it and signed."""
    site = new_site(tmp_path_factory.mktemp("open"))
    for folder in ("", "inbox", "archive", "results", "cines", "work"):
        (site.settings.data_folder / folder).mkdir(exist_ok=True)
        (site.settings.data_folder / folder).chmod(0o777)
    before = os.umask(0)
    try:
        with running(site):
            site.deliver(1, 45.0, n_pixels=128)
            (record,) = site.jobs(1)
            sign(site, record.job.job_id)
            yield site
    finally:
        os.umask(before)


def sign(site: Site, job_id: str) -> None:
    session = requests.Session()
    session.post(f"{site.url}/sign-in", data={"token": site.first_token}, timeout=60).raise_for_status()
    session.headers.update(words(site, session))
    signed = {"after": 0, "changes": {"ed": 0, "es": 3, "frames": []}}
    address = f"{site.url}/api/studies/{job_id}"
    session.post(f"{address}/decision", json=signed, timeout=120).raise_for_status()
    shared = f"{address}/shared"
    eventually(
        lambda: session.get(shared, timeout=60).json()["holds"]["stored"] == "stored", "it to be stored"
    )


def open_to_others(folder: Path) -> list[str]:
    return [str(p.relative_to(folder)) for p in (folder, *folder.rglob("*")) if p.stat().st_mode & 0o077]


def test_nothing_of_a_service_is_open_to_others(used: Site) -> None:
    data = used.settings.data_folder
    kept = {path.name for path in data.iterdir()}
    assert {"jobs.sqlite", "review.sqlite", "audit.log", "results", "archive", "inbox", "cines"} <= kept
    assert any((data / "archive").rglob("*.dcm"))
    assert any((data / "results").rglob("report.pdf"))
    assert any((data / "cines").rglob("*.u16"))
    assert open_to_others(data) == []


def test_an_export_is_closed_to_others(used: Site, tmp_path: Path) -> None:
    out = tmp_path / "reviewed"
    out.mkdir()
    out.chmod(0o777)
    command = [sys.executable, "-m", "cvai", "dataset", "export", str(out), "--config", str(used.config)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    assert any(out.rglob("*.nii.gz"))
    exported = [line for line in used.settings.audit_file.read_text().splitlines() if "110106" in line]
    assert [f'UserID="{user_of_system()}"' in line for line in exported] == [True]
    assert open_to_others(out) == []


def test_the_first_token_is_in_a_file_of_the_owner_until_it_is_used(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    site = new_site(tmp_path_factory.mktemp("first"))
    with running(site):
        path = site.settings.data_folder / "first-token"
        token = site.first_token
        assert path.stat().st_mode & 0o777 == 0o600
        assert str(path) in site.said
        for output in (site.said, site.log, site.settings.audit_file.read_text()):
            assert token not in output
        assert requests.post(f"{site.url}/sign-in", data={"token": "wrong"}, timeout=60).status_code == 401
        assert path.exists()
        site.add_reader("hart", Role.REVIEWER)
        assert requests.post(f"{site.url}/sign-in", data={"token": token}, timeout=60).ok
        assert not path.exists()
    with running(site):
        assert not path.exists(), "there are readers by then"
