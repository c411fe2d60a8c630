"""A job for each analysis of a study: what becomes of one is no matter of the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, EncapsulatedPDFStorage, UltrasoundMultiFrameImageStorage
from typer.testing import CliRunner

from cvai.archive.content import InstanceReference, StudyContent
from cvai.archive.folder.archive import FolderArchive
from cvai.cli.main import app
from cvai.dicom.read.classes import MR_IMAGES, ULTRASOUND_IMAGES
from cvai.dicom.write.write import WrittenObject
from cvai.errors import ConfigurationInvalid
from cvai.jobs.feeds import follow
from cvai.jobs.installed import Analyse, Installed, applicable
from cvai.jobs.job import UNLISTED, JobObject, JobState
from cvai.jobs.ledger import open_ledger
from cvai.jobs.queue import ended_well
from cvai.jobs.rules import Priority
from cvai.jobs.steps import StudySteps
from cvai.ops.retention import Limits, Retention
from cvai.pipeline import StudyOutcome
from tests.jobs.conftest import Bench
from tests.jobs.test_feeds import BUSY, Told, Unlisting
from tests.standin import (
    KIND,
    analyse,
    dataset,
    derived_uid,
    installed,
    slots_below,
    write,
    write_image,
    write_study,
)


def naming(kind: str) -> Analyse:
    """The stand-in analysis, with objects and files of its own."""

    def named(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        (outcome,) = analyse(source, out)
        return (replace(outcome, objects=tuple(_renamed(o, kind) for o in outcome.objects)),)

    return named


def _renamed(written: object, kind: str) -> WrittenObject:
    assert isinstance(written, WrittenObject)
    made = dcmread(written.path)
    made.SOPInstanceUID = derived_uid(str(made.SOPInstanceUID), kind)
    return WrittenObject("pdf", made.SOPInstanceUID, write(made, written.path))


def breaking(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
    raise LookupError(f"{source.name} to {out.name}")


def leaving_alone(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
    del source, out
    return ()


OTHER = installed(naming("other"), "0" * 64, "other", title="The other")
RULES = installed(naming("rules"), "1" * 64, "rules", title="By rules")


@pytest.fixture
def study_uid(request: pytest.FixtureRequest, bench: Bench, tmp_path: Path) -> str:
    """A study of three images in the archive, which another analysis may apply to as well."""
    uid = derived_uid(request.node.nodeid)
    bench.receive(write_study(tmp_path / "src", uid))
    bench.beside = (OTHER,)
    return uid


def announced(bench: Bench, *study_uids: str) -> None:
    """A look for new studies that finds these."""
    engine = bench.engines[0] if bench.engines else bench.start()
    follow(Told(study_uids), bench.folder_archive, engine.submit, bench.analyses)


def listed(bench: Bench) -> list[tuple[str, JobState]]:
    """Kind and state of all jobs, oldest first."""
    with open_ledger(bench.url) as ledger:
        return [(record.job.kind, record.outcome.state) for record in reversed(ledger.jobs())]


def test_one_breaks_and_the_other_is_delivered(bench: Bench, study_uid: str, tmp_path: Path) -> None:
    bench.analyse = breaking
    announced(bench, study_uid)
    assert bench.ended(bench.job(study_uid)).outcome.code == "internal_error"
    delivered = bench.ended(bench.job(study_uid, "other")).outcome
    assert delivered.state is JobState.ANALYSED
    (stored,) = delivered.objects
    assert stored.sop_instance_uid in bench.folder_archive.content(study_uid).sop_instance_uids
    assert (tmp_path / "results" / delivered.result).is_file()


@pytest.mark.slow
def test_a_refused_one_says_so_and_the_other_is_delivered_with_objects_of_its_own(
    bench: Bench, study_uid: str
) -> None:
    bench.analyse, bench.beside = naming(KIND), (OTHER, RULES)
    announced(bench, study_uid)
    outcomes = [bench.ended(bench.job(study_uid, kind)).outcome for kind in (KIND, "other", "rules")]
    assert {outcome.state for outcome in outcomes} == {JobState.ANALYSED}
    assert len({outcome.objects[0].sop_instance_uid for outcome in outcomes}) == 3
    with open_ledger(bench.url) as ledger:
        told = ledger.outcome_of(study_uid)
    assert told is not None
    assert {o.sop_instance_uid for o in told.objects} == {o.objects[0].sop_instance_uid for o in outcomes}


class CountingArchive(FolderArchive):
    """The embedded archive, with the number of fetches."""

    fetches = 0

    def fetch(self, study_uid: str, folder: Path) -> int:
        self.fetches += 1
        return super().fetch(study_uid, folder)


def test_jobs_of_a_study_that_run_together_fetch_it_once(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    archive, both_analyse = CountingArchive(tmp_path / "archive"), Barrier(2, timeout=120)

    def meeting(kind: str) -> Analyse:
        def met(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
            both_analyse.wait()
            return naming(kind)(source, out)

        return met

    bench.archive, bench.jobs_at_once = archive, 2
    bench.analyse, bench.beside = meeting(KIND), (replace(OTHER, analyse=meeting("other")),)
    announced(bench, study_uid)
    outcomes = [bench.ended(bench.job(study_uid, kind)).outcome for kind in (KIND, "other")]
    assert {outcome.state for outcome in outcomes} == {JobState.ANALYSED}
    assert archive.fetches == 1
    assert list((tmp_path / "work" / "studies").iterdir()) == []


def test_what_a_job_has_fetched_is_not_taken_over_once_the_study_has_more(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    archive = CountingArchive(tmp_path / "archive")
    slots = slots_below(tmp_path)
    steps = StudySteps(archive, bench.analyses, tmp_path / "work", tmp_path / "results", slots)
    first, second = (bench.job(study_uid, kind) for kind in (KIND, "other"))
    steps.fetch(first)
    steps.fetch(second)
    assert archive.fetches == 1
    steps.clean(second)
    report = write(dataset(study_uid, EncapsulatedPDFStorage, "report"), tmp_path / "report.dcm")
    archive.take_in([report])
    steps.fetch(second)
    assert archive.fetches == 2
    held = {path.name for path in (tmp_path / "work" / "studies" / second.job_id).iterdir()}
    assert held == {path.name for path in (tmp_path / "archive" / study_uid).glob("*.dcm")}


@pytest.mark.slow
def test_a_new_model_of_one_makes_its_jobs_alone(bench: Bench, study_uid: str) -> None:
    announced(bench, study_uid)
    before = [bench.ended(bench.job(study_uid, kind)) for kind in (KIND, "other")]
    bench.stop()
    bench.beside = (replace(OTHER, sha256="f" * 64),)
    announced(bench, study_uid)
    assert bench.ended(bench.job(study_uid, "other")).outcome.state is JobState.ANALYSED
    assert listed(bench) == [
        (KIND, JobState.ANALYSED),
        ("other", JobState.SUPERSEDED),
        ("other", JobState.ANALYSED),
    ]
    with open_ledger(bench.url) as ledger:
        newest = ledger.of_study(study_uid)
        assert {record.job for record in newest} == {before[0].job, bench.job(study_uid, "other")}


@pytest.mark.slow
def test_a_late_image_makes_a_job_of_each_and_the_newest_of_each_speaks(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    announced(bench, study_uid)
    for kind in (KIND, "other"):
        bench.ended(bench.job(study_uid, kind))
    bench.receive([write_image(tmp_path / "late", study_uid, 4)])
    announced(bench, study_uid)
    for kind in (KIND, "other"):
        assert bench.ended(bench.job(study_uid, kind)).outcome.state is JobState.ANALYSED
    states = [state for _, state in listed(bench)]
    assert states == [JobState.SUPERSEDED] * 2 + [JobState.ANALYSED] * 2


def test_a_job_whose_model_was_replaced_is_followed_by_one_of_its_own_kind(
    bench: Bench, study_uid: str
) -> None:
    old = bench.job(study_uid, "other")
    bench.beside = (replace(OTHER, sha256="f" * 64),)
    bench.start().submit(old)
    outcome = bench.ended(old).outcome
    assert (outcome.state, outcome.code, outcome.successors) == (
        JobState.SUPERSEDED,
        "model_changed",
        ("other",),
    )
    assert bench.ended(bench.job(study_uid, "other")).outcome.state is JobState.ANALYSED
    assert {kind for kind, _ in listed(bench)} == {"other"}


def test_a_job_of_an_analysis_that_is_not_here_any_more_fails_in_words(bench: Bench, study_uid: str) -> None:
    job = bench.job(study_uid, "other")
    bench.beside = ()
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.FAILED, "analysis_not_installed")


MR, US = next(iter(sorted(MR_IMAGES))), next(iter(sorted(ULTRASOUND_IMAGES)))
CINE = installed(kind="cine", sop_classes=MR_IMAGES)
LOOPS = installed(kind="loops", sop_classes=ULTRASOUND_IMAGES)


@pytest.mark.parametrize(
    ("classes", "kinds"),
    [
        ([MR], ["cine"]),
        ([US], ["loops"]),
        ([MR, US, CTImageStorage], ["cine", "loops"]),
        ([CTImageStorage], []),
        (["", US], ["loops"]),
        ([""], ["cine"]),
        (["", CTImageStorage], ["cine"]),
    ],
    ids=["MR", "ultrasound", "both", "CT", "a damaged file beside", "damaged files alone", "beside CT"],
)
def test_which_analyses_may_apply_is_told_by_the_list_alone(classes: list[str], kinds: list[str]) -> None:
    instances = tuple(InstanceReference(kind, f"1.{n}", "2.1") for n, kind in enumerate(classes))
    found = applicable((CINE, LOOPS), StudyContent("1.2", instances))
    assert [analysis.kind for analysis in found] == kinds


def test_a_study_that_none_applies_to_makes_no_job_and_the_log_names_it(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uid = derived_uid("angiography")
    image = dcmread(write_image(tmp_path, uid, 1))
    image.SOPClassUID = CTImageStorage
    bench.receive([write(image, tmp_path / "ct.dcm")])
    announced(bench, uid)
    assert listed(bench) == []
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "nothing_to_do" in line]
    assert uid in line


def test_an_unlisted_study_is_given_to_all_and_one_that_finds_nothing_ends_quietly(
    bench: Bench, study_uid: str
) -> None:
    bench.beside = (
        replace(OTHER, sop_classes=frozenset({UltrasoundMultiFrameImageStorage})),
        installed(leaving_alone, "2" * 64, "third"),
    )
    engine = bench.start()
    queued: list[str] = []
    archive = Unlisting(bench.folder_archive, (study_uid,), BUSY)
    with pytest.raises(type(BUSY)):
        follow(Told((study_uid,)), archive, lambda job, _: not queued.append(job.kind), bench.analyses)
    for analysis in bench.analyses:
        engine.submit(analysis.job_for(study_uid, UNLISTED))
    jobs = {a.kind: a.job_for(study_uid, UNLISTED) for a in bench.analyses}
    outcomes = {kind: bench.ended(job).outcome for kind, job in jobs.items()}
    assert {kind: outcome.state for kind, outcome in outcomes.items()} == {
        KIND: JobState.ANALYSED,
        "other": JobState.NOTHING_TO_DO,
        "third": JobState.NOTHING_TO_DO,
    }
    assert {outcomes[kind].code for kind in ("other", "third")} == {"nothing_to_measure"}


def test_each_job_has_the_priority_that_the_rules_give(bench: Bench, study_uid: str) -> None:
    given: list[tuple[str, Priority]] = []
    feed = Told((study_uid,))
    follow(feed, bench.folder_archive, lambda job, p: not given.append((job.kind, p)), bench.analyses)
    assert given == [(KIND, Priority.ROUTINE), ("other", Priority.ROUTINE)]


@pytest.mark.slow
def test_a_study_named_to_the_command_means_all_its_jobs(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.analyse = breaking
    announced(bench, study_uid)
    ids = {bench.ended(bench.job(study_uid, kind)).job.job_id for kind in (KIND, "other")}
    bench.stop()
    config = tmp_path / "service.toml"
    config.write_text(f'data_folder = "{tmp_path}"\ndatabase_url = "{bench.url}"\n')

    def run(*arguments: str) -> str:
        return CliRunner().invoke(app, ["jobs", *arguments, "--config", str(config)]).stdout

    assert {line.split()[4] for line in run("list").splitlines()[1:]} >= {"other"}
    assert {job["kind"] for job in json.loads(run("list", "--json"))} == {KIND, "other"}
    assert {job["job"] for job in json.loads(run("show", study_uid, "--json"))} == ids
    retried = json.loads(run("retry", study_uid, "--json"))
    assert {job["job"] for job in retried} == ids
    assert {job["state"] for job in retried} == {"queued"}
    bench.analyse = analyse
    bench.start()
    assert bench.ended(bench.job(study_uid)).outcome.state is JobState.ANALYSED
    with open_ledger(bench.url) as ledger, pytest.raises(ConfigurationInvalid, match="no job and no study"):
        ledger.retry("1.2.3")


def test_a_workitem_waits_for_all_analyses_and_is_done_when_one_was_delivered(
    bench: Bench, study_uid: str
) -> None:
    bench.analyse = breaking
    engine = bench.start()
    engine.submit(bench.job(study_uid))
    bench.ended(bench.job(study_uid))
    with open_ledger(bench.url) as ledger:
        failed = ledger.outcome_of(study_uid)
        assert failed is not None
        assert failed.state is JobState.FAILED
        engine.submit(bench.job(study_uid, "other"))
        bench.ended(bench.job(study_uid, "other"))
        told = ledger.outcome_of(study_uid)
        assert told is not None
        assert told.state is JobState.ANALYSED
        assert isinstance(told.objects[0], JobObject)


def test_results_of_each_analysis_are_kept_and_go_on_their_own(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.analyse = breaking
    announced(bench, study_uid)
    delivered = bench.ended(bench.job(study_uid, "other"))
    broken = bench.ended(bench.job(study_uid))
    (tmp_path / "results" / broken.job.job_id).mkdir()
    assert ended_well([broken.job.job_id, delivered.job.job_id]) == {delivered.job.job_id}
    gone = Retention(tmp_path / "results", Limits(days=0), ended_well, now=lambda: 4e9).sweep()
    assert gone == (delivered.job.job_id,)
    with open_ledger(bench.url) as ledger:
        missing = ledger.without_files(tmp_path / "results")
        assert [record.job.kind for record in missing] == ["other"]


@pytest.mark.slow
def test_what_stands_in_the_archive_and_has_no_job_gets_one_of_each_kind(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    """After a restore from before the study came, the feed announces it anew."""
    announced(bench, study_uid)
    for kind in (KIND, "other"):
        bench.ended(bench.job(study_uid, kind))
    bench.stop()
    held = bench.folder_archive.content(study_uid).sop_instance_uids
    bench.url = f"sqlite:///{tmp_path / 'restored.sqlite'}"
    announced(bench, study_uid)
    for kind in (KIND, "other"):
        assert bench.ended(bench.job(study_uid, kind)).outcome.state is JobState.ANALYSED
    assert bench.folder_archive.content(study_uid).sop_instance_uids == held, "nothing is stored twice"


@pytest.mark.parametrize("kind", ["", "Cine", "cine-sax", "cine/sax", "x" * 40])
def test_a_kind_is_part_of_names_of_folders(kind: str) -> None:
    with pytest.raises(ValueError, match="names no analysis"):
        Installed(kind, "", frozenset(), "", analyse)
