"""A real Orthanc as a plain process on loopback: own configuration, storage, credentials and port."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from itertools import cycle
from pathlib import Path

import pytest
import requests
from PIL import Image
from pydicom import Dataset, dcmread

EXECUTABLE = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USERNAME, PASSWORD = "cvai", "loopback-only"
STABLE_AGE_S = 1
WORKERS = 16
"""At most so many workers of pytest-xdist have ports of their own."""

needs_orthanc = pytest.mark.skipif(
    EXECUTABLE is None or not PLUGIN.exists(),
    reason="needs Orthanc and its DICOMweb plugin (Debian: orthanc, orthanc-dicomweb)",
)


def _ports() -> Iterator[int]:
    """Ports below those of outgoing connections; workers of pytest-xdist have none in common."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = range(10_240 + worker % WORKERS, 32_768, WORKERS)
    begin = os.getpid() % len(mine)
    return cycle([*mine[begin:], *mine[:begin]])


PORTS = _ports()


def free_port() -> int:
    """A port that nobody listens at; the same one does not come again soon."""
    for port in PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("ports do not end")


class Orthanc:
    """One Orthanc; ``start`` and ``stop`` may alternate, the storage stays."""

    def __init__(
        self, folder: Path, port: int | None = None, calls_back: tuple[str, int] | None = None
    ) -> None:
        """``calls_back``: AE title and port of the node that may call it by DICOM, and that it reports to."""
        self.port = port or free_port()
        self.dicom_port = free_port()
        self._calls_back = calls_back
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.session = requests.Session()
        self.session.auth = (USERNAME, PASSWORD)

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration()))
        with (self._folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen([str(EXECUTABLE), str(configuration)], stdout=log, stderr=log)
        self._await_answer()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=120)
            self._process = None

    @property
    def died(self) -> bool:
        """Whether it ended without being asked to."""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=120)
        self._process = None

    def stow(self, paths: list[Path]) -> None:
        """Store as any other DICOMweb client would, without cvai's own code."""
        boundary = "orthanc-test-boundary"
        for start in range(0, len(paths), 50):
            head = f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            body = b"".join(head + path.read_bytes() for path in paths[start : start + 50])
            response = self.session.post(
                f"{self.url}/dicom-web/studies",
                data=body + f"\r\n--{boundary}--".encode(),
                headers={
                    "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
                    "Accept": "application/dicom+json",
                },
                timeout=60,
            )
            response.raise_for_status()

    def qido(self, study_uid: str, modality: str | None = None) -> list[dict[str, str]]:
        """Instances of a study by QIDO-RS: modality, SOP class, SOP instance and series UID."""
        query = {"Modality": modality} if modality else {}
        response = self.session.get(
            f"{self.url}/dicom-web/studies/{study_uid}/instances",
            params=query,
            headers={"Accept": "application/dicom+json"},
            timeout=60,
        )
        response.raise_for_status()
        tags = {
            "modality": "00080060",
            "sop_class_uid": "00080016",
            "sop_instance_uid": "00080018",
            "series_uid": "0020000E",
        }
        return [{name: found[tag]["Value"][0] for name, tag in tags.items()} for found in response.json()]

    def files(self, study_uid: str) -> dict[str, bytes]:
        """Every instance of a study as Orthanc keeps it, by SOP instance UID, through its own REST API."""
        query = {"Level": "Instance", "Query": {"StudyInstanceUID": study_uid}, "Expand": True}
        found = self.session.post(f"{self.url}/tools/find", json=query, timeout=60)
        found.raise_for_status()
        return {
            instance["MainDicomTags"]["SOPInstanceUID"]: self._file(instance["ID"])
            for instance in found.json()
        }

    def dataset(self, sop_instance_uid: str) -> Dataset:
        """One instance without its pixels."""
        return dcmread(BytesIO(self._file(self._instance(sop_instance_uid))), stop_before_pixels=True)

    def preview(self, sop_instance_uid: str) -> Image.Image:
        """The first frame of an instance, as Orthanc decodes it."""
        address = f"{self.url}/instances/{self._instance(sop_instance_uid)}/frames/0/preview"
        answer = self.session.get(address, timeout=60)
        answer.raise_for_status()
        return Image.open(BytesIO(answer.content))

    def _instance(self, sop_instance_uid: str) -> str:
        named = self.session.post(f"{self.url}/tools/lookup", data=sop_instance_uid, timeout=60)
        named.raise_for_status()
        (instance,) = (found["ID"] for found in named.json() if found["Type"] == "Instance")
        return str(instance)

    def _file(self, instance_id: str) -> bytes:
        answer = self.session.get(f"{self.url}/instances/{instance_id}/file", timeout=60)
        answer.raise_for_status()
        return answer.content

    def _configuration(self) -> dict[str, object]:
        return {
            "Name": "cvai tests",
            "StorageDirectory": str(self._folder / "storage"),
            "IndexDirectory": str(self._folder / "storage"),
            "HttpPort": self.port,
            "DicomServerEnabled": self._calls_back is not None,
            "DicomAet": "PACS",
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": True,
            "DicomModalities": self._modalities(),
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {USERNAME: PASSWORD},
            "StableAge": STABLE_AGE_S,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }

    def _modalities(self) -> dict[str, object]:
        if self._calls_back is None:
            return {}
        ae_title, port = self._calls_back
        return {
            "caller": {"AET": ae_title, "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}
        }

    def _await_answer(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.session.get(f"{self.url}/system", timeout=5).raise_for_status()
            except requests.RequestException:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError(f"Orthanc did not answer at {self.url}; see {self._folder / 'orthanc.log'}")
