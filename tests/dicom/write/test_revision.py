"""Results of ultrasound that stand in the study already, and others of the same loops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sr.coding import Code

from cvai.analyses import echo_apical
from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.archive.sameness import has_same_content
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import Study
from cvai.dicom.write import codes
from cvai.dicom.write.instance import result_uids
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.standing.revision import told_apart
from cvai.dicom.write.uids import ResultUids
from cvai.domain.findings import Finding, Severity
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import CREATED, write_results

PLAN = echo_apical.SPEC.results
FILE_NAME = PLAN.series[ResultKind.SR].file_name


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> EchoAnalysis:
    return echo_analysis(tmp_path_factory.mktemp("loops"))


def with_results_of(analysis: EchoAnalysis, folder: Path) -> Study:
    write_results(analysis, folder, created=CREATED)
    (study,) = read_studies(folder).studies
    return study


@pytest.mark.slow
def test_the_same_results_keep_their_uids(analysis: EchoAnalysis, tmp_path: Path) -> None:
    assert told_apart(analysis, PLAN, with_results_of(analysis, tmp_path)).content == ""


def test_a_study_without_results_of_cvai_gets_the_first_uids(analysis: EchoAnalysis) -> None:
    assert told_apart(analysis, PLAN, Study(analysis.study_uid, ())) is analysis


@pytest.mark.slow
def test_results_of_another_patient_or_with_other_labels_are_told_apart(
    analysis: EchoAnalysis, tmp_path: Path
) -> None:
    study = with_results_of(analysis, tmp_path)
    labels = analysis.loops[1].segmentation.labels.copy()
    labels[3] = np.roll(labels[3], 1)
    loop = replace(analysis.loops[1], segmentation=replace(analysis.loops[1].segmentation, labels=labels))
    others = [
        replace(analysis, patient=replace(analysis.patient, patient_id="78")),
        replace(analysis, loops=(analysis.loops[0], loop)),
        replace(analysis, measurements=analysis.measurements[1:]),
    ]
    made = [told_apart(other, PLAN, study) for other in (analysis, *others)]
    assert len({result_uids(one).sop_instance(ResultKind.SR) for one in made}) == len(made)
    assert [told_apart(other, PLAN, study).content for other in others] == [one.content for one in made[1:]]


def test_a_segmentation_that_has_gone_contradicts_nothing(analysis: EchoAnalysis, tmp_path: Path) -> None:
    write_results(analysis, tmp_path, created=CREATED)
    (tmp_path / "seg_a4c.dcm").unlink()
    (study,) = read_studies(tmp_path).studies
    assert told_apart(analysis, PLAN, study).content == ""


@pytest.mark.slow
def test_a_document_with_the_former_name_of_quality_findings_says_the_same(
    analysis: EchoAnalysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under its first UIDs, and under those that follow from what it says."""
    flagged = replace(analysis, findings=(Finding("a_code", Severity.WARNING, "Look at it."),))
    others = replace(flagged, measurements=flagged.measurements[1:])
    former_folder, now_folder = tmp_path / "former", tmp_path / "now"
    with monkeypatch.context() as former_version:
        former_version.setattr(codes, "QUALITY_FINDING", Code("121071", "DCM", "Finding"))
        study = with_results_of(flagged, former_folder)
        former_others = told_apart(others, PLAN, study)
    assert told_apart(flagged, PLAN, study).content == ""
    assert former_others.content == told_apart(others, PLAN, study).content != ""
    write_results(flagged, now_folder, created=CREATED)
    former, now = (folder / FILE_NAME for folder in (former_folder, now_folder))
    assert [code in str(dcmread(former)) for code in ("121071", "111052")] == [True, False]
    assert "111052" in str(dcmread(now))
    assert has_same_content(former.read_bytes(), now)


def test_content_tells_every_uid_of_results_apart() -> None:
    first, second = ResultUids.of(["1.2"], "ab"), ResultUids.of(["1.2"], "ab", content="cd")
    assert first == ResultUids.of(["1.2"], "ab", content="")
    for kind in ResultKind:
        assert first.sop_instance(kind) != second.sop_instance(kind)
        assert first.series(kind) != second.series(kind)
    assert first.frame_of_reference() == second.frame_of_reference()
