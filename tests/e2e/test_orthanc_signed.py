"""A study in an Orthanc is measured, then signed on the page: what the reader stands for is in the study."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hl7apy.parser import parse_message
from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage

from cvai.phantom.cine_sax.study import DICOM_FOLDER, write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from tests.conftest import ROOT
from tests.e2e.conftest import RESULTS, Site
from tests.hl7_receiver import Hl7Receiver, running_receiver
from tests.orthanc import free_port, needs_orthanc
from tests.process import CVAI, eventually

pytestmark = [needs_orthanc, pytest.mark.orthanc]

WRITTEN = {**RESULTS, "SR": 2, "OT": 2, "PR": 1}
"""What is stored into the study with captures, contours and a presentation."""

SIGNED = {modality: 2 * n for modality, n in WRITTEN.items()}
"""What stands in the study beside its images once a reader has signed."""


class Reader:
    """Somebody who signs in with a token, by the page's own requests."""

    def __init__(self, site: Site, address: str, name: str, person: str) -> None:
        command = [*CVAI, "readers", "add", name, "--person", person, "--config", str(site.config)]
        added = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
        self._address = address
        self._session = requests.Session()
        self._post("/sign-in", data={"token": added.stdout.strip()})
        page = self._session.get(address, timeout=60).text
        found = re.search(r'name="csrf" content="([^"]+)"', page)
        assert found, "the worklist is shown"
        self._session.headers["X-CSRF-Token"] = found[1]

    def accept(self, job_id: str, ed: int, es: int, after: int = 0) -> None:
        """Sign what was measured as it stands, after so many decisions."""
        changes = {"ed": ed, "es": es, "frames": []}
        self._post(f"/api/studies/{job_id}/decision", json={"after": after, "changes": changes})

    def frames(self, job_id: str) -> dict[str, int]:
        study = self._session.get(f"{self._address}/api/studies/{job_id}", timeout=60).json()
        return {name: study["result"]["key_frames"][name] for name in ("ed", "es")}

    def _post(self, path: str, **body: object) -> None:
        self._session.post(f"{self._address}{path}", timeout=60, **body).raise_for_status()  # type: ignore[arg-type]


def write_study(folder: Path) -> tuple[str, list[Path]]:
    acquisition = PhantomAcquisition(
        n_phases=8, rows=160, columns=160, spacing_x_mm=2.2, spacing_y_mm=2.0, seed=4
    )
    truth = write_phantom_study(folder, PhantomHeart.drawn(4, 52.0), acquisition)
    return truth.study_uid, sorted((folder / DICOM_FOLDER).glob("*.dcm"))


def references(document: Dataset) -> set[str]:
    """Instances a document names as its predecessors or as evidence."""
    return {
        str(instance.ReferencedSOPInstanceUID)
        for name in ("PredecessorDocumentsSequence", "CurrentRequestedProcedureEvidenceSequence")
        for study in document.get(name, ())
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }


@pytest.fixture
def receiver() -> Iterator[Hl7Receiver]:
    with running_receiver() as running:
        yield running


def in_shadow(site: Site) -> tuple[int, float]:
    """Studies and bias of the ejection fraction that ``cvai models shadow`` tells, once one is measured."""
    records = site.data_folder / "results"
    eventually(lambda: any(records.glob("*/*/shadow.json")), "the second model to have measured", 240)
    command = [*CVAI, "models", "shadow", "--json", "--config", str(site.config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    (comparison,) = json.loads(done.stdout)
    return comparison["differences"][0]["n"], comparison["differences"][0]["bias"]


@pytest.mark.timeout(900)
def test_what_is_signed_on_the_page_is_found_verified_in_the_archive_and_the_first_is_as_it_was(
    site: Site, receiver: Hl7Receiver, tmp_path: Path
) -> None:
    port = free_port()
    extras = 'extra_objects = ["captures", "contours", "presentations"]'
    site.config.write_text(f'shadow_model = "sax"\n{extras}\n{site.config.read_text()}')
    with site.config.open("a") as config:
        config.write(f'[review]\naddress = "127.0.0.1:{port}"\norganization = "St Elsewhere"\n')
        config.write(f'[hl7]\nhost = "127.0.0.1"\nport = {receiver.port}\n')
    study_uid, paths = write_study(tmp_path / "phantom")
    service = site.serve()
    site.orthanc.stow(paths)
    (record,) = site.ended_jobs(1)
    assert site.modalities(study_uid) == {"MR": len(paths), **WRITTEN}
    first = site.orthanc.files(study_uid)

    hart = Reader(site, f"http://127.0.0.1:{port}", "hart", "Hart^Ada")
    hart.accept(record.job.job_id, **hart.frames(record.job.job_id))
    eventually(
        lambda: site.modalities(study_uid) == {"MR": len(paths), **SIGNED}, "the signed objects to stand", 240
    )

    found = {instance["sop_instance_uid"]: instance["modality"] for instance in site.orthanc.qido(study_uid)}
    new = {uid: site.orthanc.dataset(uid) for uid in found.keys() - first.keys()}
    documents = {made.SOPClassUID: made for made in new.values() if made.Modality == "SR"}
    verified = documents.pop(Comprehensive3DSRStorage)
    (contours,) = documents.values()
    assert (verified.VerificationFlag, verified.CompletionFlag) == ("VERIFIED", "COMPLETE")
    (observer,) = verified.VerifyingObserverSequence
    assert (observer.VerifyingObserverName, observer.VerifyingOrganization) == ("Hart^Ada", "St Elsewhere")
    earlier = {uid: site.orthanc.dataset(uid) for uid in first if found[uid] == "SR"}
    (automatic,) = (uid for uid, made in earlier.items() if made.SOPClassUID == Comprehensive3DSRStorage)
    assert contours.VerificationFlag == "VERIFIED"
    assert references(contours) & (earlier.keys() - {automatic})
    for uid in (uid for uid, modality in found.items() if modality == "OT"):
        assert site.orthanc.preview(uid).mode == "RGB"
    assert site.orthanc.dataset(automatic).VerificationFlag == "UNVERIFIED"
    (predecessor,) = verified.PredecessorDocumentsSequence
    assert predecessor.StudyInstanceUID == study_uid
    assert automatic in references(verified)
    assert references(verified) & {uid for uid, made in new.items() if made.Modality == "SEG"}
    assert references(verified) <= found.keys()
    assert {made.PatientID for made in new.values()} == {site.orthanc.dataset(automatic).PatientID}

    assert in_shadow(site) == (1, 0.0), "a model in the shadow of itself"
    unchanged = site.orthanc.files(study_uid)
    assert {uid: unchanged[uid] for uid in first} == first

    eventually(lambda: len(receiver.known) == 2, "the signed results to be sent")
    hart.accept(record.job.job_id, **hart.frames(record.job.job_id), after=1)
    eventually(lambda: len(receiver.known) == 3, "the results that were signed again to be sent")
    assert receiver.statuses == ["P", "F", "C"]
    for text in receiver.texts:
        parse_message(text).validate()
    report = receiver.messages[-1].segments("OBX")[-1][5][0]
    assert base64.b64decode(str(report[4])).startswith(b"%PDF")
    assert service.stop() == 0
