"""C-STORE out with storage commitment: to a real Orthanc, and to peers that behave as badly as peers do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_context, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.transfer.commitment import REPORT_CONTEXT, CommitmentReports
from cvai.transfer.node import listening
from cvai.transfer.peer import Peer
from cvai.transfer.receiver import STORAGE_CONTEXTS, InboxReceiver
from cvai.transfer.send import DicomDestination
from cvai.transfer.tls import Certificate
from tests.dicom_peers import a_node, data_set_bytes, needs_openssl, self_signed
from tests.orthanc import Orthanc, free_port, needs_orthanc
from tests.standin import derived_uid, write_compressed_image, write_segmentation, write_study

pytestmark = pytest.mark.usefixtures("dead_lines_closed")

MR, SEG = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


@dataclass
class Pacs:
    """A peer written for these tests: takes what it likes, commits to what it likes, reports how it likes."""

    status: int = 0x0000
    failed: int | None = None
    """FailureReason of everything it is asked to commit to."""

    reports: bool = True
    calls_back_to: int | None = None
    """Port of the node to call, None to report on the association it was asked on."""

    taken: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def serving(self, *contexts: str, commits: bool = True) -> Iterator[int]:
        entity = AE("PACS")
        for sop_class in contexts or (MR, SEG):
            entity.add_supported_context(sop_class)
        if commits:
            entity.add_supported_context(StorageCommitmentPushModel)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_N_ACTION, self._commit)]
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        yield server.server_address[1]
        server.shutdown()

    def _store(self, event: Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if self.status == 0:
            self.taken.append(uid)
        return self.status

    def _commit(self, event: Event) -> tuple[int, None]:
        request = event.action_information
        self.asked.append(str(request.TransactionUID))
        if self.reports:
            target = self._call_back if self.calls_back_to else self._report_on
            threading.Thread(target=target, args=(event.assoc, self._report(request))).start()
        return 0x0000, None

    def _report(self, request: Dataset) -> Dataset:
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        report.ReferencedSOPSequence, failed = [], []
        for item in request.ReferencedSOPSequence:
            uid = str(item.ReferencedSOPInstanceUID)
            reason = self._why_not(uid)
            if reason is None:
                report.ReferencedSOPSequence.append(item)
            else:
                item.FailureReason = reason
                failed.append(item)
        if failed:
            report.FailedSOPSequence = failed
        return report

    def _why_not(self, uid: str) -> int | None:
        return self.failed if uid in self.taken else 0x0112

    def _call_back(self, _: object, report: Dataset) -> None:
        entity = AE("PACS")
        context = build_context(StorageCommitmentPushModel)
        entity.requested_contexts = [context]
        association = entity.associate("127.0.0.1", self.calls_back_to, ae_title="CVAI")
        self._report_on(association, report)
        association.release()

    def _report_on(self, association: object, report: Dataset) -> None:
        kind = 2 if "FailedSOPSequence" in report else 1
        association.send_n_event_report(  # type: ignore[attr-defined]
            report, kind, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )


@dataclass
class Forgetful(Pacs):
    """Loses an instance the first time."""

    forgets: str = ""

    def _why_not(self, uid: str) -> int | None:
        return 0x0112 if uid == self.forgets and self.taken.count(uid) < 2 else None


@dataclass
class Sketchy(Pacs):
    """Reports success and names no instance."""

    def _report(self, request: Dataset) -> Dataset:
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        return report


def destination(port: int, reports: CommitmentReports | None, timeout_s: float = 10) -> DicomDestination:
    return DicomDestination(Peer("PACS", "127.0.0.1", port, "CVAI", 20), reports, timeout_s)


@contextmanager
def reports_at(port: int = 0) -> Iterator[tuple[CommitmentReports, int]]:
    """cvai's own node, where reports come in."""
    reports = CommitmentReports()
    node = replace(a_node(callers=("PACS",)), port=port)
    with listening(node, [REPORT_CONTEXT], reports.handlers) as listened:
        yield reports, listened


@pytest.fixture
def objects(tmp_path: Path, study_uid: str) -> list[Path]:
    return [*write_study(tmp_path / "src", study_uid, 2), write_segmentation(tmp_path / "src", study_uid)]


def uids_of(paths: list[Path]) -> list[str]:
    return [str(dcmread(path).SOPInstanceUID) for path in paths]


@needs_orthanc
@pytest.mark.orthanc
def test_an_orthanc_takes_results_and_commits_to_them_and_again(
    study_uid: str, objects: list[Path], tmp_path: Path
) -> None:
    with reports_at() as (reports, port):
        orthanc = Orthanc(tmp_path / "orthanc", calls_back=("CVAI", port))
        orthanc.start()
        try:
            for _ in range(2):
                destination(orthanc.dicom_port, reports).deliver(objects)
            stored = [found["sop_instance_uid"] for found in orthanc.qido(study_uid)]
            denied = destination(orthanc.dicom_port, reports)
            denied = replace(denied, peer=replace(denied.peer, ae_title="OTHER"))
            with pytest.raises(ArchiveRejected) as caught:
                denied.deliver(objects)
        finally:
            orthanc.stop()
    assert sorted(stored) == sorted(uids_of(objects))
    assert caught.value.code == "peer_denied"


@pytest.mark.parametrize("calls_back", [True, False])
def test_a_report_is_taken_on_a_call_back_and_on_the_association_it_was_asked_on(
    objects: list[Path], calls_back: bool
) -> None:
    with reports_at() as (reports, port):
        pacs = Pacs(calls_back_to=port if calls_back else None)
        with pacs.serving() as pacs_port:
            destination(pacs_port, reports).deliver(objects)
    assert sorted(pacs.taken) == sorted(uids_of(objects))
    assert len(pacs.asked) == 1


def test_objects_arrive_as_they_were_written(study_uid: str, tmp_path: Path) -> None:
    paths = [
        *write_study(tmp_path / "src", study_uid, 2),
        write_compressed_image(tmp_path / "src", study_uid, 3),
    ]
    receiver = InboxReceiver(tmp_path / "inbox")
    with listening(
        replace(a_node("PACS"), allowed_ae_titles=()), STORAGE_CONTEXTS, receiver.handlers
    ) as port:
        destination(port, None).deliver(paths)
    received = {path.stem: data_set_bytes(path) for path in (tmp_path / "inbox").rglob("*.dcm")}
    sent = {uid: data_set_bytes(path) for uid, path in zip(uids_of(paths), paths, strict=True)}
    assert received == sent


@pytest.mark.parametrize(
    ("pacs", "kind", "code"),
    [
        (Pacs(status=0xA700), TemporarilyUnavailable, "peer_busy"),
        (Pacs(status=0x0110), TemporarilyUnavailable, "peer_busy"),
        (Pacs(status=0xA900), ArchiveRejected, "object_rejected"),
        (Pacs(status=0xC000), ArchiveRejected, "object_rejected"),
        (Pacs(reports=False), TemporarilyUnavailable, "commitment_not_reported"),
        (Pacs(failed=0x0110), TemporarilyUnavailable, "commitment_failed"),
        (Pacs(failed=0x0122), ArchiveRejected, "commitment_failed"),
    ],
)
def test_what_a_peer_answers_decides_between_later_and_no(
    objects: list[Path], pacs: Pacs, kind: type[CvaiError], code: str
) -> None:
    with pacs.serving() as port, pytest.raises(kind) as caught:
        destination(port, CommitmentReports(), timeout_s=0.5).deliver(objects)
    assert caught.value.code == code
    assert caught.value.hint


def test_an_instance_the_peer_has_already_counts_as_taken(objects: list[Path]) -> None:
    with Pacs(status=0x0111).serving(commits=False) as port:
        destination(port, None).deliver(objects)


def test_a_peer_that_forgot_an_instance_gets_it_at_the_next_attempt(objects: list[Path]) -> None:
    lost = uids_of(objects)[0]
    with Forgetful(forgets=lost).serving() as port:
        sender = destination(port, CommitmentReports())
        with pytest.raises(TemporarilyUnavailable, match=rf"1 of 3 objects: {lost} \(0x0112\)"):
            sender.deliver(objects)
        sender.deliver(objects)


def test_an_instance_that_a_report_does_not_name_is_not_kept(objects: list[Path]) -> None:
    with Sketchy().serving() as port, pytest.raises(TemporarilyUnavailable, match="not named"):
        destination(port, CommitmentReports()).deliver(objects)


def test_a_peer_that_does_not_know_segmentations_or_commitment_is_told_by_name(objects: list[Path]) -> None:
    with Pacs().serving(MR) as port, pytest.raises(ArchiveRejected, match=SEG.replace(".", r"\.")):
        destination(port, CommitmentReports()).deliver(objects)
    with Pacs().serving(commits=False) as port, pytest.raises(ArchiveRejected, match=r"1\.20\.1\)"):
        destination(port, CommitmentReports()).deliver(objects)


def test_nobody_there_is_unavailable(objects: list[Path]) -> None:
    with pytest.raises(TemporarilyUnavailable) as caught:
        destination(free_port(), None).deliver(objects)
    assert caught.value.code == "peer_unreachable"


@pytest.mark.slow
@needs_openssl
def test_a_peer_is_called_with_tls_and_only_where_it_can_be_believed(
    objects: list[Path], tmp_path: Path
) -> None:
    ours = self_signed(tmp_path)
    receiver = InboxReceiver(tmp_path / "inbox")
    node = replace(a_node("PACS", callers=("CVAI",)), tls=ours)
    with listening(node, STORAGE_CONTEXTS, receiver.handlers) as port:
        sender = destination(port, None)
        trusting = replace(sender.peer, tls=Certificate(authorities=ours.certificate))
        replace(sender, peer=trusting).deliver(objects)
        with pytest.raises(TemporarilyUnavailable):
            replace(sender, peer=replace(sender.peer, tls=Certificate())).deliver(objects)
    assert len(list((tmp_path / "inbox").rglob("*.dcm"))) == 3


def test_a_report_nobody_waits_for_and_one_that_is_damaged_do_no_harm(objects: list[Path]) -> None:
    with reports_at() as (reports, port):
        pacs = Pacs(calls_back_to=port)
        stray, damaged = Dataset(), Dataset()
        stray.TransactionUID = "1.2.3"
        damaged.RetrieveAETitle = "PACS"
        for report in (stray, damaged):
            pacs._call_back(None, report)
        with pacs.serving() as pacs_port:
            destination(pacs_port, reports).deliver(objects)
