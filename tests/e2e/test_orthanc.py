"""The main job: a study is stored in an Orthanc, and SEG, SR and PDF stand in it soon after."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydicom import dcmread

from cvai.jobs.job import JobState
from tests.e2e.conftest import RESULTS, Site
from tests.orthanc import STABLE_AGE_S, needs_orthanc
from tests.process import Process, eventually

pytestmark = [needs_orthanc, pytest.mark.orthanc]


def test_a_stored_study_gets_its_results_once(site: Site, study: tuple[str, list[Path]]) -> None:
    study_uid, paths = study
    service = site.serve()
    site.orthanc.stow(paths)
    site.ended_jobs(1)
    (job,) = (job for job in site.listed_jobs() if job["kind"] == "cine_sax")
    assert job["state"] == "analysed"
    assert site.modalities(study_uid) == {"MR": len(paths), **RESULTS}
    stored = {found["sop_instance_uid"] for found in site.orthanc.qido(study_uid)}
    assert {item["sop_instance_uid"] for item in job["objects"]} < stored

    site.orthanc.stow(paths)
    time.sleep(3 * STABLE_AGE_S)  # its own results and the second storing have settled by now
    assert {found["sop_instance_uid"] for found in site.orthanc.qido(study_uid)} == stored
    assert len(site.ended_jobs(1)) == 1
    assert service.stop() == 0


def test_killed_in_mid_analysis_and_started_again_there_is_one_result(
    site: Site, phantom_study: tuple[str, list[Path]]
) -> None:
    study_uid, paths = phantom_study
    service = site.serve()
    site.orthanc.stow(paths)
    eventually(lambda: "analyse" in _begun_steps(service), "the analysis to begin")
    service.kill()
    assert site.modalities(study_uid) == {"MR": len(paths)}

    site.serve()
    (job,) = site.ended_jobs(1)
    assert (job.outcome.state, job.attempts) == (JobState.ANALYSED, 2)
    assert site.modalities(study_uid) == {"MR": len(paths), **RESULTS}


def test_a_late_slice_makes_a_new_job_that_speaks_for_the_study(
    site: Site, phantom_study: tuple[str, list[Path]]
) -> None:
    study_uid, paths = phantom_study
    in_systole = next(path for path in paths if 300 < dcmread(path).TriggerTime < 500)
    site.serve()
    site.orthanc.stow([path for path in paths if path != in_systole])
    (early,) = site.ended_jobs(1)
    assert (early.outcome.state, early.outcome.code) == (JobState.REFUSED, "missing_frame")
    assert site.modalities(study_uid) == {"MR": len(paths) - 1}

    site.orthanc.stow([in_systole])
    late, _ = site.ended_jobs(2)
    assert late.outcome.state is JobState.ANALYSED
    assert late.job.digest != early.job.digest
    assert site.modalities(study_uid) == {"MR": len(paths), **RESULTS}


def _begun_steps(service: Process) -> list[str]:
    return [e["step"] for e in service.events("step_begun") if "-cine_sax-" in e["job"]]
