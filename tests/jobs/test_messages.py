"""HL7 messages of a study: in order, corrected and withdrawn, and none that is no longer true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import hl7
import pytest

from cvai.archive.odd import OddAnswers
from cvai.dicom.write.analysis import Analysed, Verification
from cvai.dicom.write.hl7 import oru_message
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.jobs.database import open_database
from cvai.jobs.deliver import Deliveries
from cvai.jobs.job import JobObject, JobState, Outcome, StudyJob
from cvai.jobs.ledger import open_ledger
from cvai.jobs.messages import StudyMessages
from cvai.jobs.outbox import Outbox
from cvai.jobs.queue import Queue
from cvai.pipeline import StudyOutcome
from cvai.transfer.hl7 import Hl7Destination
from cvai.transfer.hl7_message import Addressing
from cvai.transfer.mllp import MllpReceiver
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import context_of, make_analysis
from tests.hl7_receiver import Hl7Receiver, running_receiver
from tests.jobs.conftest import Bench
from tests.orthanc import free_port
from tests.standin import analyse, dataset, derived_uid, write, write_study

SIGNED_AT = datetime(2024, 3, 2, 9, tzinfo=UTC)


@cache
def measured() -> Analysed:
    analysis = make_analysis((2, 3, 24, 40))
    return replace(analysis, measurements=analysis.measurements[:2])


def of_patient(patient_id: str, content: str = "") -> Analysed:
    analysis = measured()
    return replace(analysis, patient=replace(analysis.patient, patient_id=patient_id), content=content)


def signed(analysis: Analysed, hours: int = 0) -> Analysed:
    at = SIGNED_AT + timedelta(hours=hours)
    return replace(
        analysis,
        verification=Verification("Hart^Ada", "Clinic", at, changed=False, digest=f"{hours:02}" * 32),
    )


@dataclass
class Site:
    """A results folder, an outbox and a receiver; ``at_work`` are jobs that a worker has taken."""

    root: Path
    receiver: Hl7Receiver
    at_work: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.database = open_database(f"sqlite:///{self.root / 'jobs.sqlite'}")
        self.results = self.root / "results"

    def running(self, job_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(job_ids) & self.at_work

    @property
    def messages(self) -> StudyMessages:
        receiver = MllpReceiver("127.0.0.1", self.receiver.port, 5.0, None, OddAnswers())
        destination = Hl7Destination(receiver, Addressing(), attach_pdf=True, link=None)
        return StudyMessages(destination, Outbox(self.database), self.results, self.running)

    def folder(self, job_id: str, analysis: Analysed, rejected_because: str | None = None) -> Path:
        """Results of a job or a reading, as far as they matter here."""
        folder = self.results / job_id / analysis.study_uid
        folder.mkdir(parents=True)
        text = oru_message(context_of(analysis), rejected_because)
        (folder / "oru.hl7").write_bytes(text.encode())
        (folder / "report.pdf").write_bytes(b"%PDF")
        return folder

    def deliver(self, folder: Path, kind: str = "cine_sax") -> None:
        self.messages.deliver(StudyJob(folder.name, "d" * 64, "m" * 64, kind), folder)

    def told(self, job_id: str, analysis: Analysed, rejected_because: str | None = None) -> None:
        self.deliver(self.folder(job_id, analysis, rejected_because))

    @property
    def statuses(self) -> list[str]:
        """Status of every value that was received, a message each."""
        values = ([s for s in m.segments("OBX") if str(s[2]) == "NM"] for m in self.receiver.messages)
        return [str(found[0][11]) for found in values]

    @property
    def patients(self) -> list[str]:
        return [str(message.segment("PID")[3]).partition("^")[0] for message in self.receiver.messages]


@pytest.fixture
def site(tmp_path: Path):
    with running_receiver() as receiver:
        made = Site(tmp_path, receiver)
        yield made
        made.database.dispose()


def test_signed_results_follow_and_are_corrected(site: Site) -> None:
    site.told("model", measured())
    site.told("reading-1", signed(measured()))
    site.told("reading-2", signed(measured(), hours=1))
    assert site.statuses == ["P", "F", "C"]
    assert [str(m.segment("OBR")[25]) for m in site.receiver.messages] == ["P", "F", "C"]


def test_ultrasound_is_signed_and_corrected_likewise(site: Site, tmp_path: Path) -> None:
    analysis = echo_analysis(tmp_path / "loops")
    for number, result in enumerate([analysis, signed(analysis), signed(analysis, hours=1)]):
        site.deliver(site.folder(f"job-{number}", result), "echo_apical")
    assert site.statuses == ["P", "F", "C"]


def test_rejected_results_are_withdrawn_and_others_may_follow(site: Site) -> None:
    site.told("model", measured())
    site.told("reading", signed(measured()), "gating failed")
    site.told("newer-model", of_patient("P-0042", content="ab" * 32))
    site.told("reading-2", signed(measured(), hours=1))
    assert site.statuses == ["P", "X", "P", "F"]


def test_what_was_acknowledged_is_not_sent_again(site: Site) -> None:
    folder = site.folder("model", measured())
    for _ in range(3):
        site.deliver(folder)
    assert len(site.receiver.texts) == 1


def test_a_message_whose_acknowledgement_was_lost_is_a_repeat(site: Site) -> None:
    site.receiver.answers = ["closes"]
    folder = site.folder("model", measured())
    with pytest.raises(TemporarilyUnavailable):
        site.deliver(folder)
    site.deliver(folder)
    ids = {str(hl7.parse(text).segment("MSH")[10]) for text in site.receiver.texts}
    assert (len(site.receiver.texts), len(ids)) == (2, 1)


def test_preliminary_results_never_replace_signed_ones(site: Site) -> None:
    """As where a dead letter is retried after a reader has signed, or a newer model measures."""
    site.receiver.answers = ["AE"]
    first = site.folder("model", measured())
    with pytest.raises(ArchiveRejected):
        site.deliver(first)
    site.told("reading", signed(measured()))
    site.deliver(first)
    site.told("newer-model", of_patient("P-0042", content="ab" * 32))
    assert site.statuses == ["F"]


def test_what_a_reader_decided_is_sent_late_rather_than_never(site: Site) -> None:
    site.receiver.answers = ["AE", "AE"]
    first = site.folder("reading-1", signed(measured()))
    second = site.folder("reading-2", signed(measured(), hours=1))
    for folder in (first, second):
        with pytest.raises(ArchiveRejected):
            site.deliver(folder)
    site.told("newer-model", of_patient("P-0042", content="ab" * 32))
    site.deliver(second)
    site.deliver(first)
    assert site.statuses == ["P", "F"], "the older decision is outdated"


def test_a_message_waits_for_an_earlier_one_that_is_being_sent(site: Site) -> None:
    site.receiver.answers = ["never"]
    first, second = site.folder("model", measured()), site.folder("reading", signed(measured()))
    slow = replace(
        site.messages.destination,
        receiver=replace(site.messages.destination.receiver, timeout_s=0.2),
    )
    with pytest.raises(TemporarilyUnavailable):
        replace(site.messages, destination=slow).deliver(StudyJob(first.name, "d", "m", "cine_sax"), first)
    site.at_work = {"model", "reading"}
    with pytest.raises(TemporarilyUnavailable) as caught:
        site.deliver(second)
    assert caught.value.code == "hl7_waits"
    site.deliver(first)
    site.deliver(second)
    assert site.statuses == ["P", "F"]


def test_messages_of_other_studies_and_analyses_do_not_wait(site: Site) -> None:
    site.receiver.answers = ["AE"]
    with pytest.raises(ArchiveRejected):
        site.told("model", measured())
    other = replace(measured(), study_uid="1.2.3")
    header = context_of(other).first_header
    former, header.StudyInstanceUID = header.StudyInstanceUID, "1.2.3"
    try:
        site.at_work = {"model"}
        site.told("other", other)
    finally:
        header.StudyInstanceUID = former
    assert site.statuses == ["P"]


def test_results_of_another_patient_are_withdrawn_before_those_of_the_right_one(site: Site) -> None:
    site.told("model", of_patient("WRONG"))
    site.told("reading", signed(of_patient("WRONG")))
    site.told("again", of_patient("RIGHT"))
    site.told("back", of_patient("WRONG", content="ab" * 32))
    assert site.statuses == ["P", "F", "W", "P", "W", "P"]
    assert site.patients == ["WRONG", "WRONG", "WRONG", "RIGHT", "RIGHT", "WRONG"]
    withdrawn = site.receiver.messages[2]
    assert [str(s[2]) for s in withdrawn.segments("OBX")].count("ED") == 0


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_former_patient_does_not_come_back_with_a_message_that_was_late(
    site: Site, is_signed: bool
) -> None:
    site.receiver.answers = ["AE"]
    wrong = of_patient("WRONG")
    late = site.folder("late", signed(wrong) if is_signed else wrong)
    with pytest.raises(ArchiveRejected):
        site.deliver(late)
    site.told("again", of_patient("RIGHT"))
    site.deliver(late)
    assert (site.statuses, site.patients) == (["P"], ["RIGHT"])


def test_what_can_no_longer_be_withdrawn_is_logged_and_holds_nothing_up(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = site.folder("model", of_patient("WRONG"))
    site.deliver(folder)
    (folder / "oru.hl7").unlink()
    site.told("again", of_patient("RIGHT"))
    assert site.statuses == ["P", "P"]
    assert "hl7_not_withdrawn" in capsys.readouterr().out


def test_a_corrected_study_that_cannot_be_measured_withdraws_what_was_sent(
    site: Site, tmp_path: Path
) -> None:
    site.told("model", of_patient("WRONG"))
    study_uid = measured().study_uid
    note = dataset(study_uid, "1.2.840.10008.5.1.4.1.1.88.59", "note")
    note.PatientID = "RIGHT"
    path = write(note, site.results / "refused" / study_uid / "withdrawal.dcm")
    stored = JobObject("withdrawal", note.SOPInstanceUID, str(path.relative_to(site.results)))
    deliveries = Deliveries(site.results, messages=site.messages)
    refused = Outcome(JobState.REFUSED, "too_few_slices", objects=(stored,))
    for _ in range(2):
        assert deliveries.withdraw_messages(StudyJob(study_uid, "e", "m", "cine_sax"), refused) is refused
    assert site.statuses == ["P", "W"]


def analyse_and_tell(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
    """The stand-in analysis with a message and a report."""
    outcomes = analyse(source, out)
    (outcomes[0].folder / "oru.hl7").write_bytes(oru_message(context_of(measured())).encode())
    (outcomes[0].folder / "report.pdf").write_bytes(b"%PDF")
    return outcomes


def telling(bench: Bench, port: int) -> Bench:
    """A job engine that sends messages to a port."""
    database = open_database(bench.url)
    destination = Hl7Destination(
        MllpReceiver("127.0.0.1", port, 2.0, None, OddAnswers()), Addressing(), attach_pdf=True, link=None
    )
    running = Queue(database).running
    messages = StudyMessages(destination, Outbox(database), bench.root / "results", running)
    bench.analyse, bench.deliveries = analyse_and_tell, Deliveries(bench.root / "results", messages=messages)
    return bench


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


def test_a_job_retries_until_the_receiver_has_the_message(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    with running_receiver("closes", "AR") as receiver:
        telling(bench, receiver.port).receive(write_study(tmp_path / "src", study_uid))
        job = bench.job(study_uid)
        bench.start().submit(job)
        assert bench.ended(job).outcome.state is JobState.ANALYSED
    assert (len(receiver.texts), receiver.statuses) == (3, ["P"])


def test_a_dead_receiver_makes_a_dead_letter_that_is_sent_once_it_lives(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    port = free_port()
    telling(bench, port).receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.DEAD_LETTER, "hl7_unreachable")
    with running_receiver(port=port) as receiver:
        with open_ledger(bench.url) as ledger:
            ledger.retry(study_uid)
        bench.ended(job, lambda record: record.outcome.state is JobState.ANALYSED)
    assert receiver.statuses == ["P"]


def test_a_final_no_fails_the_job_and_keeps_its_results(bench: Bench, study_uid: str, tmp_path: Path) -> None:
    with running_receiver("AE:101") as receiver:
        telling(bench, receiver.port).receive(write_study(tmp_path / "src", study_uid))
        job = bench.job(study_uid)
        bench.start().submit(job)
        outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.FAILED, "hl7_rejected")
    assert (bench.root / "results" / outcome.objects[0].path).exists()
    assert len(receiver.texts) == 1


def test_errors_name_no_patient(site: Site) -> None:
    site.receiver.answers = ["AE:207"]
    with pytest.raises(CvaiError) as caught:
        site.told("model", measured())
    assert "Müller" not in str(caught.value)
