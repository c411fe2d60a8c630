"""The service between real senders and archives, with the stand-in analysis: nothing lost or twice."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import EncapsulatedPDFStorage

from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord, open_ledger
from tests.dicom_peers import needs_dcmtk, storescu
from tests.orthanc import PASSWORD, USERNAME, Orthanc, free_port, needs_orthanc
from tests.process import Process, ended_jobs, eventually, jobs
from tests.standin import derived_uid, write_image, write_study
from tests.ups_server import WorklistStore, notifying, running_worklist, workitem

pytestmark = [needs_orthanc, pytest.mark.orthanc]


class Site:
    """An Orthanc, and services one after the other beside it."""

    def __init__(self, root: Path, settings: str, orthanc: Orthanc) -> None:
        self.root, self.orthanc = root, orthanc
        self.data_folder = root / "data"
        self._config = root / "service.toml"
        self._config.write_text(
            f'data_folder = "{self.data_folder}"\npoll_interval_s = 0.1\nshutdown_grace_s = 1\n'
            f"heartbeat_s = 0.2\n{settings}[retry]\nattempts = 2\nfirst_wait_s = 0.1\n"
        )
        self._services: list[Process] = []

    def serve(self) -> Process:
        command = [sys.executable, "-m", "tests.service", self._config, self.root / "analyses.log"]
        self._services.append(Process(command, self.root / f"service-{len(self._services)}.log"))
        return self._services[-1]

    def analysed(self) -> list[JobRecord]:
        return [job for job in jobs(self.data_folder) if job.outcome.state is JobState.ANALYSED]

    def results(self, study_uid: str) -> list[str]:
        found = self.orthanc.qido(study_uid)
        return [i["sop_instance_uid"] for i in found if i["sop_class_uid"] == EncapsulatedPDFStorage]

    def close(self) -> None:
        for service in self._services:
            if service.died() is None:
                service.kill()
        self.orthanc.stop()


@pytest.fixture
def dicom_port() -> int:
    return free_port()


@pytest.fixture
def dicom_site(tmp_path: Path, dicom_port: int) -> Iterator[Site]:
    """Studies come in by C-STORE, results go out by C-STORE to an Orthanc that does not run yet."""
    orthanc = Orthanc(tmp_path / "orthanc", calls_back=("CVAI", dicom_port))
    settings = (
        f"[folder]\nsettle_s = 0.3\n[dicom]\nlisten = true\nport = {dicom_port}\n"
        f'allowed_ae_titles = ["SCANNER", "PACS"]\n'
        f'[send]\nhost = "127.0.0.1"\nport = {orthanc.dicom_port}\ncommitment_timeout_s = 20\n'
    )
    made = Site(tmp_path, settings, orthanc)
    yield made
    made.close()


def by_web(orthanc: Orthanc) -> str:
    """Settings that know it by nothing but its DICOMweb root."""
    return (
        f'archive = "dicomweb"\n[dicomweb]\nurl = "{orthanc.url}/dicom-web"\nsettle_s = 0.5\n'
        f'username = "{USERNAME}"\npassword = "{PASSWORD}"\n'
    )


@pytest.fixture
def web_site(tmp_path: Path) -> Iterator[Site]:
    orthanc = Orthanc(tmp_path / "orthanc")
    made = Site(tmp_path, by_web(orthanc), orthanc)
    orthanc.start()
    yield made
    made.close()


@needs_dcmtk
def test_a_sent_study_survives_a_kill_and_its_results_wait_for_a_peer_that_is_away(
    dicom_site: Site, dicom_port: int, tmp_path: Path
) -> None:
    study_uid = derived_uid("ways", "dicom")
    service = dicom_site.serve()
    eventually(lambda: service.events("listening"), "the node")
    assert storescu(dicom_port, write_study(tmp_path / "src", study_uid, 3)).returncode == 0
    service.kill()
    dicom_site.serve()
    (waiting,) = ended_jobs(dicom_site.data_folder, 1)
    assert (waiting.outcome.state, waiting.outcome.code) == (JobState.DEAD_LETTER, "peer_unreachable")

    dicom_site.orthanc.start()
    with open_ledger(f"sqlite:///{dicom_site.data_folder / 'jobs.sqlite'}") as ledger:
        ledger.retry_all("peer_unreachable")
    (job,) = eventually(dicom_site.analysed, "the results to be sent and committed to")
    assert dicom_site.results(study_uid) == [item.sop_instance_uid for item in job.outcome.objects]
    received = (dicom_site.data_folder / "archive" / study_uid).glob("*.dcm")
    assert len(list(received)) == 3 + len(job.outcome.objects)


def test_a_worklist_says_what_is_analysed_and_hears_how_it_ended(tmp_path: Path) -> None:
    study_uid, item = derived_uid("ways", "worklist"), "1.2.826.1"
    orthanc, store = Orthanc(tmp_path / "orthanc"), WorklistStore()
    store.add(workitem(item, study_uid))
    with running_worklist(store) as url, notifying(store) as events_url:
        worklist = f'[worklist]\nurl = "{url}"\nevents_url = "{events_url}"\n'
        site = Site(tmp_path, f"{by_web(orthanc)}{worklist}", orthanc)
        try:
            orthanc.start()
            for uid in (study_uid, derived_uid("ways", "not asked for")):
                orthanc.stow(write_study(tmp_path / uid, uid, 3))
            site.serve()
            eventually(lambda: ("POST", 201) in store.answers, "a subscription to the workitem")
            eventually(lambda: store.state(item) == "COMPLETED", "the workitem to be completed")
            (job,) = jobs(site.data_folder)
        finally:
            site.close()
    (performed,) = store.workitems[item].UnifiedProcedureStepPerformedProcedureSequence
    outputs = [
        o.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for o in performed.OutputInformationSequence
    ]
    assert outputs == [made.sop_instance_uid for made in job.outcome.objects]


def test_a_dicomweb_archive_is_followed_and_gets_each_result_once(web_site: Site, tmp_path: Path) -> None:
    study_uid = derived_uid("ways", "web")
    web_site.serve()
    web_site.orthanc.stow(write_study(tmp_path / "src", study_uid, 3))
    (first,) = eventually(web_site.analysed, "the first analysis")
    web_site.orthanc.stow([write_image(tmp_path / "late", study_uid, 4)])
    second, _ = ended_jobs(web_site.data_folder, 2)
    assert second.outcome.state is JobState.ANALYSED
    stored = [item.sop_instance_uid for job in (first, second) for item in job.outcome.objects]
    assert sorted(web_site.results(study_uid)) == sorted(stored)
