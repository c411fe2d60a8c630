"""What a reader has signed: verified objects beside the model's, and the note that rejects them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import hl7
import numpy as np
import pytest
from pydicom import dcmread

from cvai.analyses import cine_sax
from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.objects import SEGMENTS, CineKind
from cvai.dicom.write.analysis import Verification
from cvai.dicom.write.objects.labels import read_labels
from cvai.dicom.write.objects.rejection import write_rejection
from cvai.dicom.write.objects.sr import Supersedes
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.source import SourceImage
from cvai.dicom.write.write import HL7_NAME, REPORT_NAME
from cvai.errors import StudyRefused
from tests.dicom.write.synthetic import (
    CINE_KINDS,
    CREATED,
    FILE_NAMES,
    context_of,
    make_analysis,
    write_results,
)
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_pdf import run

SIGNED_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SIGNED = Verification("Hart^Ada", "St Elsewhere", SIGNED_AT, changed=True, digest="ef" * 32)

PLAN = cine_sax.SPEC.results


@pytest.fixture(scope="module")
def analysis() -> CineAnalysis:
    return make_analysis()


@pytest.fixture(scope="module")
def signed_folder(analysis: CineAnalysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signed")
    earlier = context_of(analysis).uids
    supersedes = Supersedes(
        analysis.study_uid, earlier.series(ResultKind.SR), earlier.sop_instance(ResultKind.SR)
    )
    write_results(replace(analysis, verification=SIGNED), folder, created=CREATED, supersedes=(supersedes,))
    return folder


def test_a_signed_document_says_who_verified_it_when_and_what_it_replaces(
    analysis: CineAnalysis, signed_folder: Path
) -> None:
    document = dcmread(signed_folder / FILE_NAMES[ResultKind.SR])
    assert document.VerificationFlag == "VERIFIED"
    (observer,) = document.VerifyingObserverSequence
    assert observer.VerifyingObserverName == "Hart^Ada"
    assert observer.VerifyingOrganization == "St Elsewhere"
    assert observer.VerificationDateTime == "20260301093000+0000"
    (predecessor,) = document.PredecessorDocumentsSequence
    named = predecessor.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert named == context_of(analysis).uids.sop_instance(ResultKind.SR)
    assert "Hart^Ada" in str(document.ContentSequence)


@pytest.mark.parametrize("field", ["name", "organization"])
def test_a_reader_is_named_without_controls(field: str) -> None:
    with pytest.raises(ValueError, match="control"):
        replace(SIGNED, **{field: "Hart\x07^Ada"})


@pytest.mark.parametrize("kind", list(CINE_KINDS))
def test_signing_makes_objects_of_their_own(analysis: CineAnalysis, signed_folder: Path, kind: str) -> None:
    automatic = context_of(analysis).uids
    signed = dcmread(signed_folder / FILE_NAMES[kind])
    assert signed.SOPInstanceUID != automatic.sop_instance(kind)
    assert signed.SeriesInstanceUID != automatic.series(kind)
    assert signed.SeriesDescription.startswith("cvai signed ")


@pytest.mark.dciodvfy
@pytest.mark.parametrize("kind", list(CINE_KINDS))
def test_no_signed_object_has_errors_or_warnings(signed_folder: Path, dciodvfy: str, kind: str) -> None:
    assert complaints(dciodvfy, signed_folder / FILE_NAMES[kind]) == []


@pytest.mark.parametrize(("changed", "algorithm"), [(True, "SEMIAUTOMATIC"), (False, "AUTOMATIC")])
def test_segments_tell_whether_a_reader_has_changed_them(
    analysis: CineAnalysis, tmp_path: Path, changed: bool, algorithm: str
) -> None:
    write_results(replace(analysis, verification=replace(SIGNED, changed=changed)), tmp_path)
    segmentation = dcmread(tmp_path / FILE_NAMES[CineKind.END_DIASTOLE])
    assert {s.SegmentAlgorithmType for s in segmentation.SegmentSequence} == {algorithm}


@pytest.mark.slow
@pytest.mark.parametrize("multiframe", [False, True])
def test_labels_are_read_back_as_they_were_written(tmp_path: Path, multiframe: bool) -> None:
    analysis = make_analysis(multiframe=multiframe)
    write_results(analysis, tmp_path)
    read = read_labels(tmp_path / FILE_NAMES[CineKind.CINE], analysis.cine.planes, SEGMENTS)
    assert np.array_equal(read, analysis.segmentation.labels)


def test_labels_of_other_images_are_refused(analysis: CineAnalysis, tmp_path: Path) -> None:
    write_results(analysis, tmp_path)
    fewer = tuple(reversed_uids(analysis))
    with pytest.raises(StudyRefused) as refused:
        read_labels(tmp_path / FILE_NAMES[CineKind.CINE], fewer, SEGMENTS)
    assert refused.value.code == "segmentation_of_other_images"


def reversed_uids(analysis: CineAnalysis) -> list[tuple[object, ...]]:
    return [
        tuple(replace(plane, sop_instance_uid=f"{plane.sop_instance_uid}.1") for plane in phase)
        for phase in analysis.cine.planes
    ]


@pytest.fixture
def rejection(analysis: CineAnalysis, tmp_path: Path) -> Path:
    uids = context_of(analysis).uids
    withdrawn = [
        SourceImage("1.2.840.10008.5.1.4.1.1.66.4", uids.sop_instance(kind), uids.series(kind), None)
        for kind in (CineKind.CINE, CineKind.END_DIASTOLE)
    ]
    signed = replace(analysis, verification=SIGNED)
    (written,) = write_rejection(
        signed, PLAN, tmp_path, withdrawn, "Wrong series.", taken_series_numbers=[1, 9001]
    )
    return written.path


def test_a_rejection_names_what_it_withdraws_and_why(analysis: CineAnalysis, rejection: Path) -> None:
    note = dcmread(rejection)
    uids = context_of(analysis).uids
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    named = {
        i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for i in note.ContentSequence
        if "ReferencedSOPSequence" in i
    }
    assert named == {uids.sop_instance(CineKind.CINE), uids.sop_instance(CineKind.END_DIASTOLE)}
    assert "Wrong series." in [i.TextValue for i in note.ContentSequence if "TextValue" in i]
    assert note.StudyInstanceUID == analysis.study_uid
    assert note.SeriesNumber == 9101
    withdrawn = hl7.parse((rejection.parent / HL7_NAME).read_bytes().decode())
    assert str(withdrawn.segment("OBR")[25]) == "X"
    assert "Wrong series." in str(withdrawn.segments("OBX")[1][5])


def test_the_report_of_a_rejection_says_so_in_the_zone_of_the_machine(
    analysis: CineAnalysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        signed = replace(analysis, verification=SIGNED)
        withdrawn = [SourceImage("1.2", "1.3", "1.4", None)]
        (written,) = write_rejection(signed, PLAN, tmp_path, withdrawn, "Wrong series.")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert dcmread(written.path).ContentTime == "150000", "as the objects of the model on this machine"
    text = run("pdftotext", "-layout", tmp_path / REPORT_NAME, "-")
    assert text.lstrip().startswith("Rejected: ")
    assert "not to be used. Rejected by Hart, Ada, St Elsewhere, 2026-03-01 15:00 IST: Wrong series." in text


@pytest.mark.dciodvfy
def test_a_rejection_has_no_errors_or_warnings(rejection: Path, dciodvfy: str) -> None:
    assert complaints(dciodvfy, rejection) == []


def test_a_reason_is_written_without_controls(analysis: CineAnalysis, tmp_path: Path) -> None:
    signed = replace(analysis, verification=SIGNED)
    withdrawn = [SourceImage("1.2", "1.3", "1.4", None)]
    (written,) = write_rejection(signed, PLAN, tmp_path, withdrawn, "Wrong\x00 series.\nLook\tagain.\x07")
    texts = [item.TextValue for item in dcmread(written.path).ContentSequence if "TextValue" in item]
    assert texts[-1] == "Wrong series.\r\nLook again."


def test_a_rejection_that_nobody_signed_is_not_written(analysis: CineAnalysis, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="signed by somebody"):
        write_rejection(analysis, PLAN, tmp_path, [SourceImage("1.2", "1.3", "1.4", None)], "no")
