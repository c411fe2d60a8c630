"""A real Orthanc, a real ``cvai serve`` beside it, and studies."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from cvai.jobs.ledger import JobRecord
from cvai.phantom.cine_sax.study import DICOM_FOLDER, write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from tests.conftest import ROOT, real_data_folder
from tests.orthanc import PASSWORD, USERNAME, Orthanc
from tests.process import CVAI, Process, ended_jobs

PATIENCE_S = 240.0
"""A job takes seconds; a loaded test machine may take minutes."""

SMALL = PhantomAcquisition(
    n_slices=9, n_phases=8, rows=160, columns=160, spacing_x_mm=2.2, spacing_y_mm=2.0, seed=7
)

RESULTS = {"SEG": 3, "SR": 1, "DOC": 1}
"""What cvai stores into a study, by modality."""


class Site:
    """One Orthanc, one configuration, and services one after the other."""

    def __init__(self, root: Path) -> None:
        self.orthanc = Orthanc(root / "orthanc")
        self.data_folder = root / "data"
        self.config = root / "service.toml"
        self.config.write_text(
            f'archive = "orthanc"\ndata_folder = "{self.data_folder}"\npoll_interval_s = 0.2\n'
            f"threads = {os.cpu_count() or 1}\nshutdown_grace_s = 1\n"
            f'[orthanc]\nurl = "{self.orthanc.url}"\nusername = "{USERNAME}"\npassword = "{PASSWORD}"\n'
        )
        self._root = root
        self._services: list[Process] = []

    def serve(self) -> Process:
        log = self._root / f"service-{len(self._services)}.log"
        self._services.append(Process([*CVAI, "serve", "--config", self.config], log))
        return self._services[-1]

    def modalities(self, study_uid: str) -> Counter[str]:
        """How many instances of each modality QIDO-RS finds in the study."""
        return Counter(found["modality"] for found in self.orthanc.qido(study_uid))

    def ended_jobs(self, n: int) -> list[JobRecord]:
        """All jobs, newest first, once ``n`` have ended."""
        return ended_jobs(self.data_folder, n, PATIENCE_S)

    def listed_jobs(self) -> list[dict[str, Any]]:
        """What ``cvai jobs list --json`` prints."""
        command = [*CVAI, "jobs", "list", "--json", "--config", str(self.config)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
        return list(json.loads(done.stdout))

    def close(self) -> None:
        for service in self._services:
            if service.died() is None:
                service.kill()
        self.orthanc.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    made.orthanc.start()
    yield made
    made.close()


@pytest.fixture(scope="session")
def phantom_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Path]]:
    """A small synthetic short-axis cine: its UID and files; measured in a second or two."""
    folder = tmp_path_factory.mktemp("phantom_study")
    write_phantom_study(folder, PhantomHeart.drawn(7, ef_percent=50.0), SMALL)
    paths = sorted((folder / DICOM_FOLDER).glob("*.dcm"))
    return study_uid_of(paths[0]), paths


@pytest.fixture
def study(phantom_study: tuple[str, list[Path]]) -> tuple[str, list[Path]]:
    """A real short-axis cine, or a synthetic one where CVAI_DATA holds none: its UID and files."""
    folder = real_data_folder() / "sunnybrook" / "SCD0000301" / "dicom"
    if not folder.is_dir():
        return phantom_study
    paths = sorted(folder.glob("*.dcm"), key=lambda path: int(path.stem))
    return study_uid_of(paths[0]), paths


def study_uid_of(path: Path) -> str:
    header = dcmread(path, stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
    return str(header["StudyInstanceUID"].value)
