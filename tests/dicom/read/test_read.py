"""Files in, studies out: bad files are told of, never in the way, never named."""

from __future__ import annotations

import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    SegmentationStorage,
)

from cvai.dicom.read.files.members import UnpackLimits
from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.read import open_studies, read_studies
from cvai.dicom.write.source import verbatim_element
from cvai.errors import ConfigurationInvalid, FileRefused
from cvai.phantom.coronary.run import RunParameters, make_run, run_dataset
from tests.dicom.read.dicom_files import SeriesSpec, enhanced, image, images, position_mm, write, write_one

SPEC = SeriesSpec(n_slices=3, n_phases=4)


def codes(refusals: tuple[FileRefused, ...]) -> list[str]:
    return [refusal.code for refusal in refusals]


def test_a_folder_becomes_one_study_with_its_series_in_order(tmp_path: Path) -> None:
    late = SPEC.but(series_uid="1.2.3.9", series_number=9)
    early = SPEC.but(series_uid="1.2.3.10", series_number=2)
    write(tmp_path / "a", images(late))
    write(tmp_path / "b" / "c", images(early))
    outcome = read_studies(tmp_path)
    assert outcome.unreadable == ()
    (study,) = outcome.studies
    assert [s.series_uid for s in study.series] == ["1.2.3.10", "1.2.3.9"]
    assert [len(s.planes) for s in study.series] == [12, 12]
    assert study.unreadable == ()


def test_a_plane_carries_what_its_header_states(tmp_path: Path) -> None:
    (path,) = write(tmp_path, [image(SPEC, 1, 2)])
    (plane,) = read_studies(path).studies[0].series[0].planes
    assert plane.position_mm == pytest.approx(tuple(position_mm(SPEC, 1)), abs=1e-9)
    assert plane.spacing_mm == (1.25, 1.75)
    assert (plane.rows, plane.columns) == (6, 8)
    assert (plane.trigger_time_ms, plane.nominal_interval_ms, plane.heart_rate_bpm) == (90.0, 160.0, 375.0)
    assert plane.frame_number is None
    assert plane.temporal_position is None
    assert "PixelData" not in plane.header


def test_what_is_absent_or_malformed_is_none(tmp_path: Path) -> None:
    ds = image(SPEC, 0, 0)
    del ds.ImagePositionPatient
    ds.PixelSpacing = None
    path = tmp_path / "a.dcm"
    write_one(path, ds)
    path.write_bytes(path.read_bytes().replace(b"10.0000000000", b"ten, about it"))
    (plane,) = read_studies(path).studies[0].series[0].planes
    assert plane.position_mm is None
    assert plane.spacing_mm is None
    assert plane.trigger_time_ms is None


def test_nothing_depends_on_file_names_or_order(tmp_path: Path) -> None:
    write(tmp_path / "a", images(SPEC))
    write(tmp_path / "b", images(SPEC)[::-1])
    first, second = (read_studies(tmp_path / name).studies[0] for name in "ab")
    uids = [[p.sop_instance_uid for p in study.series[0].planes] for study in (first, second)]
    assert uids[0] == uids[1]


def _empty(data: bytes) -> bytes:
    return b""


def _text(data: bytes) -> bytes:
    return b"Patient name: nobody\n" * 40


def _encrypted(data: bytes) -> bytes:
    return bytes((7 * i * i + 13 * i) % 251 for i in range(4096))


def _garbage_after_the_prefix(data: bytes) -> bytes:
    return data[:132] + _encrypted(data)


def _cut_in_the_file_meta(data: bytes) -> bytes:
    return data[:150]


@pytest.mark.parametrize(
    ("damage", "accepted_codes"),
    [
        (_empty, {"empty_file"}),
        (_text, {"not_dicom"}),
        (_encrypted, {"not_dicom"}),
        (_garbage_after_the_prefix, {"unreadable_header", "identity_missing"}),
        (_cut_in_the_file_meta, {"unreadable_header", "identity_missing"}),
    ],
)
def test_a_bad_file_is_refused_with_a_code_and_the_others_are_read(
    tmp_path: Path, damage: Callable[[bytes], bytes], accepted_codes: set[str]
) -> None:
    paths = write(tmp_path, images(SPEC))
    bad = tmp_path / "DOE^JOHN.dcm"
    bad.write_bytes(damage(paths[0].read_bytes()))
    outcome = read_studies(tmp_path)
    assert len(outcome.studies[0].series[0].planes) == 12
    (refusal,) = outcome.unreadable
    assert refusal.code in accepted_codes
    assert refusal.hint
    assert "DOE" not in str(refusal)


@pytest.mark.parametrize(
    "missing", ["SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
)
def test_a_file_that_does_not_say_what_it_belongs_to_is_refused(tmp_path: Path, missing: str) -> None:
    ds = image(SPEC, 0, 0)
    path = tmp_path / "a.dcm"
    write_one(path, ds)
    ds = pydicom.dcmread(path)
    delattr(ds, missing)
    ds.save_as(path)
    outcome = read_studies(path)
    assert outcome.studies == ()
    assert codes(outcome.unreadable) == ["identity_missing"]


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
)
@pytest.mark.parametrize(
    "written", ["../../elsewhere", "..", "A" * 300, "1." + "9" * 63, "not a uid", "1.2.", "1..2"]
)
def test_what_is_no_uid_names_nothing(tmp_path: Path, keyword: str, written: str) -> None:
    """A folder of results is named by it, and objects refer by it."""
    path = tmp_path / "a.dcm"
    write_one(path, image(SPEC, 0, 0))
    with tolerating_values():
        ds = pydicom.dcmread(path)
        ds.add(verbatim_element(keyword, written))
        ds.save_as(path)
    outcome = read_studies(tmp_path)
    assert outcome.studies == ()
    (refusal,) = outcome.unreadable
    assert refusal.code == "identity_invalid"
    assert written not in refusal.message


@pytest.mark.parametrize("lost_bytes", [1, 50, 96, 108])
def test_a_truncated_image_keeps_its_place_with_its_defect(tmp_path: Path, lost_bytes: int) -> None:
    paths = write(tmp_path, images(SPEC))
    paths[5].write_bytes(paths[5].read_bytes()[:-lost_bytes])
    (study,) = read_studies(tmp_path).studies
    assert codes(study.unreadable) == ["truncated_file"]
    damaged = [p for p in study.series[0].planes if p.defect is not None]
    assert [p.path for p in damaged] == [paths[5]]
    assert len(study.series[0].planes) == 12


def test_pixel_data_shorter_than_the_matrix_is_truncated(tmp_path: Path) -> None:
    ds = image(SPEC, 0, 0)
    ds.PixelData = ds.PixelData[:40]
    (path,) = write(tmp_path, [ds])
    (study,) = read_studies(path).studies
    assert codes(study.unreadable) == ["truncated_file"]
    assert "40 of 96 bytes" in study.unreadable[0].message


@pytest.mark.parametrize(
    "described", [{"Rows": 3}, {"Columns": 4}, {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}]
)
def test_pixel_data_longer_than_the_matrix_is_not_read_in_part(
    tmp_path: Path, described: dict[str, int]
) -> None:
    ds = image(SPEC, 0, 0)
    for keyword, value in described.items():
        setattr(ds, keyword, value)
    (path,) = write(tmp_path, [ds])
    (study,) = read_studies(path).studies
    assert codes(study.unreadable) == ["pixels_not_described"]
    assert "96 bytes, 48" in study.unreadable[0].message


def test_padding_behind_the_pixels_is_no_frame(tmp_path: Path) -> None:
    ds = image(SPEC.but(rows=32, columns=32), 0, 0)
    ds.PixelData += bytes(100)
    (path,) = write(tmp_path, [ds])
    assert read_studies(path).studies[0].unreadable == ()


@pytest.mark.parametrize("compressed", [False, True])
def test_frames_that_the_header_does_not_count_are_missed(tmp_path: Path, compressed: bool) -> None:
    ds = run_dataset(make_run(RunParameters(n_frames=6, beat_frames=6)))
    if compressed:
        ds.compress(pydicom.uid.RLELossless)
    ds.NumberOfFrames = 4
    ds.save_as(tmp_path / "run.dcm", enforce_file_format=True)
    (study,) = read_studies(tmp_path).studies
    assert codes(study.unreadable) == ["pixels_not_described"]


@pytest.mark.parametrize("lost_bytes", [1, 8, 9, 60])
def test_compressed_pixel_data_that_breaks_off_is_truncated(tmp_path: Path, lost_bytes: int) -> None:
    ds = image(SPEC.but(rows=32, columns=32), 0, 0)
    (path,) = write(tmp_path, [ds])
    ds = pydicom.dcmread(path)
    ds.compress(pydicom.uid.RLELossless)
    ds.save_as(path)
    whole = path.read_bytes()
    assert read_studies(path).studies[0].unreadable == ()
    path.write_bytes(whole[:-lost_bytes])
    unreadable = read_studies(path).studies[0].unreadable
    # losing no more than the closing delimiter loses no pixel
    assert codes(unreadable) == ([] if lost_bytes <= 8 else ["truncated_file"])


def test_a_transfer_syntax_without_decoder_is_known_from_the_header(tmp_path: Path) -> None:
    ds = image(SPEC, 0, 0)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = MPEG2MPML
    ds.PixelData = encapsulate([bytes(96)])
    (study,) = read_studies(write(tmp_path, [ds])[0]).studies
    assert codes(study.unreadable) == ["unsupported_transfer_syntax"]
    assert MPEG2MPML in study.unreadable[0].message
    assert study.series[0].planes[0].defect is study.unreadable[0]


def test_identical_copies_count_once_and_different_ones_are_both_doubtful(tmp_path: Path) -> None:
    paths = write(tmp_path, images(SPEC))
    shutil.copy(paths[0], tmp_path / "copy.dcm")
    changed = image(SPEC, 0, 1)
    changed.TriggerTime = "777"
    write_one(tmp_path / "other.dcm", changed)
    (study,) = read_studies(tmp_path).studies
    assert len(study.series[0].planes) == 12
    assert codes(study.unreadable) == ["conflicting_copies"]
    doubtful = [p.sop_instance_uid for p in study.series[0].planes if p.defect is not None]
    assert doubtful == [changed.SOPInstanceUID]


def test_the_same_image_sent_through_another_application_is_a_copy(tmp_path: Path) -> None:
    ds = image(SPEC, 0, 0)
    write(tmp_path, [ds])
    ds.file_meta.SourceApplicationEntityTitle = "OTHER"
    write_one(tmp_path / "copy.dcm", ds)
    (study,) = read_studies(tmp_path).studies
    assert len(study.series[0].planes) == 1
    assert study.unreadable == ()


def test_hidden_files_and_dicomdir_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, images(SPEC))
    for name in (".DS_Store", "DICOMDIR", "__MACOSX/x.dcm", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no DICOM here")
    assert read_studies(tmp_path).unreadable == ()


@pytest.mark.parametrize(
    "sop_class",
    [ComprehensiveSRStorage, EncapsulatedPDFStorage, GrayscaleSoftcopyPresentationStateStorage],
)
def test_reports_and_documents_are_series_without_planes(tmp_path: Path, sop_class: str) -> None:
    ds = image(SPEC, 0, 0)
    for keyword in ("Rows", "Columns", "PhotometricInterpretation", "PixelData"):
        delattr(ds, keyword)
    ds.SOPClassUID, ds.Modality = sop_class, "OT"
    (study,) = read_studies(write(tmp_path, [ds])[0]).studies
    assert study.series[0].planes == ()
    assert study.unreadable == ()


def test_a_segmentation_is_no_image_although_it_has_pixels(tmp_path: Path) -> None:
    ds = image(SPEC, 0, 0)
    ds.SOPClassUID, ds.Modality = SegmentationStorage, "SEG"
    (study,) = read_studies(write(tmp_path, [ds])[0]).studies
    assert [(s.modality, s.planes) for s in study.series] == [("SEG", ())]


def test_an_enhanced_mr_instance_gives_a_plane_per_frame(tmp_path: Path) -> None:
    (study,) = read_studies(write(tmp_path, [enhanced(SPEC)])[0]).studies
    planes = study.series[0].planes
    assert [p.frame_number for p in planes] == list(range(1, 13))
    last = planes[-1]
    assert last.position_mm == pytest.approx(tuple(position_mm(SPEC, 2)), abs=1e-9)
    assert last.spacing_mm == (1.25, 1.75)
    assert (last.trigger_time_ms, last.nominal_interval_ms, last.temporal_position) == (130.0, 160.0, 4)
    assert all(p.header is last.header for p in planes)


def test_an_enhanced_instance_that_describes_too_few_frames_is_refused(tmp_path: Path) -> None:
    ds = enhanced(SPEC)
    ds.PerFrameFunctionalGroupsSequence = list(ds.PerFrameFunctionalGroupsSequence)[:-1]
    (study,) = read_studies(write(tmp_path, [ds])[0]).studies
    assert codes(study.unreadable) == ["unreadable_header"]
    assert study.series[0].planes == ()


def test_a_single_frame_image_with_an_empty_functional_groups_item_is_single_frame(tmp_path: Path) -> None:
    ds = image(SPEC, 0, 0)
    ds.PerFrameFunctionalGroupsSequence = [Dataset()]
    (study,) = read_studies(write(tmp_path, [ds])[0]).studies
    assert [p.frame_number for p in study.series[0].planes] == [None]
    assert study.series[0].planes[0].position_mm is not None


@pytest.mark.filterwarnings("error")
def test_values_against_the_letter_of_the_standard_neither_fail_nor_flood(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad_uid = "2.16.124.113543.6006.99.05838661480085214824"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = image(SPEC.but(series_uid=bad_uid), 0, 0)
        ds.StudyDate, ds.PatientBirthDate = "20120000", "00000000"
        path = write(tmp_path, [ds])[0]
    caplog.clear()
    (study,) = read_studies(path).studies
    assert study.series[0].series_uid == bad_uid
    assert study.series[0].planes[0].header.StudyDate == "20120000"
    assert caplog.records == []


def test_a_zip_is_read_and_its_unpacked_files_go_again(tmp_path: Path) -> None:
    paths = write(tmp_path / "in", images(SPEC))
    archive = _zip(tmp_path, {f"A/B/{p.name}": p.read_bytes() for p in paths} | {".hidden": b"x"})
    with open_studies(archive) as outcome:
        (study,) = outcome.studies
        assert outcome.unreadable == ()
        unpacked = [p.path for p in study.series[0].planes]
        assert len(unpacked) == 12
        assert all(p.is_file() for p in unpacked)
    assert not any(p.exists() for p in unpacked)


@pytest.mark.parametrize("name", ["../../evil.dcm", "/var/evil.dcm", "C:\\evil.dcm", "a/../../../evil.dcm"])
def test_no_name_in_a_zip_points_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    (path,) = write(tmp_path / "in", [image(SPEC, 0, 0)])
    archive = _zip(tmp_path, {name: path.read_bytes()})
    before = set(tmp_path.rglob("*"))
    with open_studies(archive) as outcome:
        assert len(outcome.studies) == 1
        assert "evil" not in outcome.studies[0].series[0].planes[0].path.name
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("limits", [UnpackLimits(max_members=2), UnpackLimits(max_total_bytes=2_000_000)])
def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path: Path, limits: UnpackLimits) -> None:
    archive = _zip(tmp_path, {str(i): bytes(1_000_000) for i in range(3)})
    assert archive.stat().st_size < 10_000
    with pytest.raises(FileRefused) as refusal, open_studies(archive, limits):
        pass
    assert refusal.value.code == "zip_too_large"


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"a": bytes(range(256)) * 100})
    data = bytearray(archive.read_bytes())
    data[40:60] = bytes(20)
    archive.write_bytes(data)
    with pytest.raises(FileRefused) as refusal, open_studies(archive):
        pass
    assert refusal.value.code == "unreadable_zip"


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"a": b"secret"})
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # general purpose bit 0 of the local header, and of the central directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(FileRefused) as refusal, open_studies(archive):
        pass
    assert refusal.value.code == "encrypted_zip"


def test_a_source_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid) as error:
        read_studies(tmp_path / "nowhere")
    assert error.value.code == "source_not_found"


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("whole"), [image(SPEC, 0, 0)])[0]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12)
)
def test_no_change_of_bytes_makes_reading_fail(whole_file: Path, edits: list[tuple[float, int]]) -> None:
    data = bytearray(whole_file.read_bytes())
    for place, value in edits:
        data[int(place * len(data))] = value
    damaged = whole_file.with_suffix(".damaged")
    damaged.write_bytes(data)
    outcome = read_studies(damaged)
    assert len(outcome.studies) + len(outcome.unreadable) == 1


@settings(max_examples=200, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_never_taken_for_whole(whole_file: Path, share: float) -> None:
    data = whole_file.read_bytes()
    damaged = whole_file.with_suffix(".cut")
    damaged.write_bytes(data[: int(share * len(data))])
    outcome = read_studies(damaged)
    refusals = (*outcome.unreadable, *(r for study in outcome.studies for r in study.unreadable))
    assert len(refusals) == 1


def _zip(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "study.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path
