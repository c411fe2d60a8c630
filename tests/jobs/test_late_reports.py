"""A scanner's report that arrives after the analysis of its study: another job compares with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from cvai.analyses import echo_apical
from cvai.analyses.registry import ReadyAnalysis
from cvai.archive.port import Announcements
from cvai.dicom.write.result_json import Record, read_entry
from cvai.jobs.feeds import follow
from cvai.jobs.installed import Installed
from cvai.jobs.job import StudyJob
from cvai.jobs.ledger import JobRecord
from cvai.models.echo import installed_echo_segmenter
from cvai.pipeline import StudyOutcome, analyse_folder
from tests.apical_loops import write_apical_study
from tests.dicom.read import report_files as sr
from tests.jobs.conftest import Bench
from tests.standin import installed

pytestmark = pytest.mark.slow


class Announcing:
    """A feed that announces one study again and again, as archives do whenever anything is stored."""

    def __init__(self, study_uid: str) -> None:
        self.study_uid = study_uid

    def poll(self) -> Announcements:
        return Announcements((self.study_uid,), {})

    def acknowledge(self, announcements: Announcements) -> None:
        pass


def echo() -> Installed:
    segmenter = installed_echo_segmenter()
    assert segmenter is not None

    def analyse(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        return analyse_folder(source, out, [ReadyAnalysis(echo_apical.SPEC, lambda: segmenter)])

    return installed(analyse, segmenter.identity.sha256, "echo_apical")


def entry_of(bench: Bench, record: JobRecord) -> Record:
    return read_entry(bench.root / "results" / record.outcome.result)


def test_a_late_report_is_compared_with_in_a_job_of_its_own(bench: Bench, tmp_path: Path) -> None:
    source = tmp_path / "src"
    write_apical_study(source)
    image = dcmread(source / "1.dcm", stop_before_pixels=True)
    bench.receive(sorted(source.glob("*.dcm")))
    bench.beside = (echo(),)
    engine, feed, study_uid = bench.start(), Announcing(image.StudyInstanceUID), image.StudyInstanceUID
    submitted: list[StudyJob] = []

    def announced() -> list[StudyJob]:
        """The jobs that the archive's announcement makes."""
        submitted.clear()
        follow(
            feed,
            bench.folder_archive,
            lambda job, priority: engine.submit(job, priority) and not submitted.append(job),
            bench.beside,
        )
        return list(submitted)

    (first,) = announced()
    before = bench.ended(first)
    assert entry_of(bench, before)["others"] == []
    assert announced() == [], "results of cvai are no change"

    disagreeing = sr.number(sr.LV_EF, 9, sr.PERCENT, sr.modifier(sr.METHOD, sr.BIPLANE))
    report = sr.tid_5200(image, sr.section(sr.LEFT_VENTRICLE, disagreeing))
    bench.receive([sr.write_report(tmp_path / "late", report)])
    (second,) = announced()
    after = bench.ended(second)
    entry = entry_of(bench, after)
    assert [other["name"] for other in entry["others"]] == ["lv_ef"]
    assert "report_disagrees" in {finding["code"] for finding in entry["findings"]}
    assert [m["value"] for m in entry["measurements"]] == [
        m["value"] for m in entry_of(bench, before)["measurements"]
    ]
    stored = bench.folder_archive.content(study_uid).sop_instance_uids
    assert {o.sop_instance_uid for o in (*before.outcome.objects, *after.outcome.objects)} <= stored
    paths = {o.kind: bench.root / "results" / o.path for o in after.outcome.objects}
    (former,) = dcmread(paths["sr"]).PredecessorDocumentsSequence
    (reference,) = former.ReferencedSeriesSequence[0].ReferencedSOPSequence
    earlier = {o.kind: o.sop_instance_uid for o in before.outcome.objects}
    assert reference.ReferencedSOPInstanceUID == earlier["sr"]
    assert announced() == [], "the report is known"
