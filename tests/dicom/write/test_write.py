from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from cvai.analyses import cine_sax
from cvai.dicom.write.objects.sr import Supersedes
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.write import FHIR_NAME, HL7_NAME, REPORT_NAME, RESULT_NAME, WrittenObject, clear_results
from cvai.domain.segmentation import CineSegmentation
from cvai.errors import HeartRefused
from tests.dicom.write.synthetic import CINE_KINDS, CREATED, FILE_NAMES, Written, make_analysis, write_results

SHAPE = (2, 3, 24, 40)
ALL_NAMES = {RESULT_NAME, REPORT_NAME, FHIR_NAME, HL7_NAME, *FILE_NAMES.values()}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_object_is_written_and_nothing_else(written: Written) -> None:
    assert names_in(written.folder) == ALL_NAMES


def test_what_is_returned_is_what_is_written_and_recorded(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    objects = write_results(make_analysis(SHAPE), folder, created=CREATED)
    record = json.loads((folder / RESULT_NAME).read_text("utf-8"))
    assert [written.kind for written in objects] == list(CINE_KINDS)
    for written, entry in zip(objects, record["analyses"][0]["objects"], strict=True):
        instance = dcmread(written.path)
        assert instance.SOPInstanceUID == written.sop_instance_uid == entry["sop_instance_uid"]
        assert folder / entry["path"] == written.path
        assert entry["kind"] == written.kind
        assert instance.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


@pytest.mark.slow
def test_the_same_analysis_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_results(make_analysis(SHAPE), tmp_path / name, created=CREATED)
    for name in ALL_NAMES - {RESULT_NAME}:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


@pytest.mark.slow
def test_a_later_run_differs_in_its_dates_only(tmp_path: Path) -> None:
    runs = [
        write_results(make_analysis(SHAPE), tmp_path / str(year), created=datetime(year, 1, 2, 3, 4, 5))
        for year in (2024, 2025)
    ]
    for first, second in zip(*runs, strict=True):
        assert first.sop_instance_uid == second.sop_instance_uid
    changed = [
        element.keyword
        for element in dcmread(runs[0][0].path)
        if element != dcmread(runs[1][0].path)[element.tag]
    ]
    assert changed == ["InstanceCreationDate", "SeriesDate", "ContentDate"]


def test_creation_is_now_where_nobody_says_otherwise(tmp_path: Path) -> None:
    before = datetime.now().replace(microsecond=0)
    (first, *_) = write_results(make_analysis(SHAPE), tmp_path)
    instance = dcmread(first.path)
    created = datetime.strptime(instance.ContentDate + instance.ContentTime, "%Y%m%d%H%M%S")
    assert before <= created <= datetime.now()


@pytest.mark.slow
def test_all_references_resolve_within_the_study(written: Written) -> None:
    instances = {kind: written.read(kind) for kind in CINE_KINDS}
    assert {i.StudyInstanceUID for i in instances.values()} == {written.analysis.study_uid}
    stored = {i.SOPInstanceUID for i in instances.values()}
    stored |= {p.sop_instance_uid for phase in written.analysis.cine.planes for p in phase}
    for instance in instances.values():
        referenced = {e.value for e in instance.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
        assert referenced
        assert referenced <= stored


def test_nothing_of_an_earlier_result_lies_beside_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    write_results(make_analysis(SHAPE), tmp_path, created=CREATED)
    clear_results(tmp_path, [cine_sax.SPEC.results])
    assert names_in(tmp_path) == {"notes.txt"}


def test_a_folder_without_a_record_is_not_complete(tmp_path: Path) -> None:
    analysis = make_analysis(SHAPE)
    empty = CineSegmentation(np.zeros_like(analysis.segmentation.labels), analysis.cine.stack.geometry)
    with pytest.raises(HeartRefused):
        write_results(replace(analysis, segmentation=empty), tmp_path, created=CREATED)
    assert RESULT_NAME not in names_in(tmp_path)


def test_taken_series_numbers_are_left_free(tmp_path: Path) -> None:
    objects = write_results(make_analysis(SHAPE), tmp_path, taken_series_numbers=[9101, 9205])
    numbers = {int(dcmread(written.path).SeriesNumber) for written in objects}
    assert numbers == {9301, 9302, 9303, 9304, 9305}


def test_a_superseding_document_says_so(tmp_path: Path) -> None:
    objects = write_results(
        make_analysis(SHAPE), tmp_path, supersedes=(Supersedes("1.2", "1.2.3", "1.2.3.4"),)
    )
    document = next(dcmread(o.path) for o in objects if o.kind == ResultKind.SR)
    assert document.PredecessorDocumentsSequence[0].StudyInstanceUID == "1.2"


def test_a_written_object_compares_by_value() -> None:
    assert WrittenObject(ResultKind.SR, "1.2", Path("a")) == WrittenObject(ResultKind.SR, "1.2", Path("a"))
