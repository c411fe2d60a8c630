"""A file that may be of the stack measured and cannot be read refuses the study; anything else is counted."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage

from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.read import ReadOutcome, read_studies
from cvai.dicom.read.values import Study
from cvai.dicom.read.whole import require_readable, unreadable_findings
from cvai.domain.findings import Severity
from cvai.errors import StudyRefused
from tests.dicom.read.dicom_files import TRANSVERSE, SeriesSpec, image, images, write, write_one

SPEC = SeriesSpec(n_slices=6)
MR_IMAGE = b"1.2.840.10008.5.1.4.1.1.4\0"
ROOT = "1.2.826.0.1.3680043.10.999"


def doubt_of(study: Study) -> str:
    """Code of the refusal of the stack chosen; empty where it may be measured."""
    try:
        require_readable(study, select_sax_cine(study).planes)
    except StudyRefused as refused:
        return refused.code
    return ""


def read_with(folder: Path, name: str, content: bytes) -> ReadOutcome:
    write(folder, images(SPEC))
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return read_studies(folder)


def an_image(number: int = 0) -> bytes:
    """A slice beside the others, as bytes."""
    ds = image(SPEC.but(n_slices=7), 6, number)
    path = Path(f"/proc/self/fd/{os.memfd_create('image')}")
    write_one(path, ds)
    return path.read_bytes()


def encrypted(n_bytes: int = 4096) -> bytes:
    return bytes((7 * i * i + 13 * i + 5) % 251 for i in range(n_bytes))


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "zeros": lambda data: bytes(len(data)),
    "zeros behind the preamble": lambda data: data[:132] + bytes(len(data) - 132),
    "encrypted": lambda data: encrypted(len(data)),
    "encrypted behind the preamble": lambda data: data[:132] + encrypted(len(data)),
    "cut within the preamble": lambda data: data[:100],
    "cut within the meta information": lambda data: data[:200],
    "cut before the study": lambda data: data[: data.index(b"\x20\0\x0d\0")],
    "cut within the study's UID": lambda data: data[: data.index(SPEC.study_uid.encode(), 400) + 20],
    "cut within the series' UID": lambda data: data[: data.index(b"\x20\0\x0e\0") + 20],
    "cut within the geometry": lambda data: data[: data.index(b"\x20\0\x32\0") + 20],
    "its beginning lost": lambda data: data[132:][300:],
    "without instance": lambda data: data.replace(b"\x08\0\x18\0UI", b"\x08\0\x19\0UI"),
    "without instance, its SOP class an empty number": lambda data: data.replace(
        b"\x08\0\x18\0UI", b"\x08\0\x19\0UI"
    ).replace(b"\x08\0\x16\0UI\x1a\0" + MR_IMAGE, b"\x08\0\x16\0DS\x1a\0" + b" " * 26),
    "an error page": lambda _: b"<html><body>502 Bad Gateway</body></html>",
    "a picture": lambda _: b"\xff\xd8\xff\xe0" + encrypted(500),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_image_among_the_others_refuses_the_study(tmp_path: Path, damage: str) -> None:
    outcome = read_with(tmp_path, "DOE^JOHN.dcm", DAMAGED[damage](an_image()))
    (study,) = outcome.studies
    assert doubt_of(study) == "files_unreadable"
    assert len(select_sax_cine(study).planes) == 6 * 9
    assert "DOE" not in " ".join(refusal.message for refusal in outcome.unreadable)


@pytest.mark.parametrize("name", ["IM0007", "1.2.840.113.7", "series/IM0007.ima", "x/y/IM0007"])
def test_a_file_without_bytes_is_judged_by_its_name(tmp_path: Path, name: str) -> None:
    (study,) = read_with(tmp_path, name, b"").studies
    assert doubt_of(study) == "files_unreadable"


def test_a_file_named_like_the_images_it_lies_among_may_be_one(tmp_path: Path) -> None:
    for path in write(tmp_path, images(SPEC)):
        path.rename(path.with_suffix(".bin"))
    (tmp_path / "x.bin").write_bytes(encrypted())
    (tmp_path / "x.cfg").write_bytes(encrypted())
    outcome = read_studies(tmp_path)
    assert len(outcome.studies[0].lost) == 1
    assert len(outcome.no_images) == 1
    assert doubt_of(outcome.studies[0]) == "files_unreadable"


def test_an_image_that_nobody_unpacked_may_be_of_the_cine(tmp_path: Path) -> None:
    (study,) = read_with(tmp_path, "IM7.dcm.gz", gzip.compress(an_image())).studies
    assert doubt_of(study) == "files_unreadable"


def test_text_in_the_place_of_an_image_may_have_been_one(tmp_path: Path) -> None:
    for path in write(tmp_path, images(SPEC)):
        path.rename(path.with_name(f"IM{path.stem}"))
    for name in ("IM00060", "README"):
        (tmp_path / name).write_bytes(b"garbage")
    outcome = read_studies(tmp_path)
    assert len(outcome.studies[0].lost) == len(outcome.no_images) == 1
    assert doubt_of(outcome.studies[0]) == "files_unreadable"


CLEARLY_SOMETHING_ELSE: dict[str, bytes] = {
    "README": b"Open viewer.exe to look at the images.\n" * 10,
    "README.txt": b"",
    "LIESMICH": "Zum Öffnen der Bilder viewer.exe ausführen.\n".encode("latin-1") * 10,
    "autorun.inf": b"[autorun]\r\nopen=viewer.exe\r\n",
    "index.htm": b"<!DOCTYPE html><html></html>",
    "strings": b"\xff\xfe" + "Öffnen".encode("utf-16-le"),
    "viewer.exe": b"MZ" + encrypted(),
    "viewer": b"\x7fELF" + encrypted(),
    "viewer.dat": encrypted(),
    "libviewer.so.1": b"\x7fELF" + encrypted(),
    "cover": b"\xff\xd8\xff\xe0" + encrypted(),
    "logo": b"\x89PNG\r\n\x1a\n" + encrypted(),
    "manual": b"%PDF-1.4" + encrypted(),
    "others.zip": b"PK\3\4" + encrypted(),
    "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + encrypted(),
}


@pytest.mark.parametrize("name", CLEARLY_SOMETHING_ELSE)
def test_what_is_clearly_something_else_is_counted_and_refuses_nothing(tmp_path: Path, name: str) -> None:
    outcome = read_with(tmp_path, name, CLEARLY_SOMETHING_ELSE[name])
    (study,) = outcome.studies
    assert doubt_of(study) == ""
    assert study.lost == ()
    assert len(outcome.no_images) == 1


def header_cut(ds: Dataset, path: Path) -> None:
    """Everything from Rows on lost; the file still says what it is of."""
    write_one(path, ds)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x28\0\x10\0US")])


@pytest.mark.parametrize("series_uid", [SPEC.series_uid, f"{ROOT}.77"])
def test_a_broken_image_of_the_stack_s_series_or_of_none_known_refuses_the_study(
    tmp_path: Path, series_uid: str
) -> None:
    """A slice may be a series of its own."""
    write(tmp_path, images(SPEC))
    extra = image(SPEC.but(n_slices=7), 6, 0)
    extra.SeriesInstanceUID = series_uid
    header_cut(extra, tmp_path / "x.dcm")
    (study,) = read_studies(tmp_path).studies
    assert [refusal.code for refusal in study.unreadable] == ["truncated_file"]
    assert doubt_of(study) == "files_unreadable"


def test_a_broken_image_of_another_view_is_a_finding(tmp_path: Path) -> None:
    view = SPEC.but(series_uid=f"{ROOT}.8", series_number=8, n_slices=1, axes=TRANSVERSE)
    write(tmp_path, [*images(SPEC), *images(view)])
    header_cut(image(view.but(n_phases=10), 0, 9), tmp_path / "x.dcm")
    (study,) = read_studies(tmp_path).studies
    assert doubt_of(study) == ""
    (finding,) = unreadable_findings(study)
    assert (finding.code, finding.severity) == ("unreadable_files", Severity.WARNING)
    assert finding.message.startswith("1 file")


def test_a_broken_report_is_a_finding(tmp_path: Path) -> None:
    report = image(SPEC.but(series_uid=f"{ROOT}.9"), 0, 0)
    report.SOPClassUID = ComprehensiveSRStorage
    del report.SeriesInstanceUID
    write(tmp_path, images(SPEC))
    write_one(tmp_path / "x.dcm", report)
    (study,) = read_studies(tmp_path).studies
    assert doubt_of(study) == ""
    assert [f.code for f in unreadable_findings(study)] == ["unreadable_files"]


def test_a_whole_study_has_no_finding(tmp_path: Path) -> None:
    write(tmp_path, images(SPEC))
    (study,) = read_studies(tmp_path).studies
    assert unreadable_findings(study) == ()


@pytest.mark.slow
def test_a_damaged_file_belongs_to_the_studies_it_lies_among(tmp_path: Path) -> None:
    other = SPEC.but(study_uid=f"{ROOT}.2", series_uid=f"{ROOT}.2.1")
    write(tmp_path / "a" / "1", images(SPEC))
    write(tmp_path / "b" / "1", images(other))
    places = {"a/1/x": {SPEC.study_uid}, "b/x": {other.study_uid}, "x": {SPEC.study_uid, other.study_uid}}
    for place, studies in places.items():
        (tmp_path / place).write_bytes(encrypted())
        assert {s.study_uid for s in read_studies(tmp_path).studies if s.lost} == studies
        (tmp_path / place).unlink()


def test_a_damaged_file_that_says_its_study_costs_no_other(tmp_path: Path) -> None:
    other = SPEC.but(study_uid=f"{ROOT}.2", series_uid=f"{ROOT}.2.1")
    write(tmp_path, [*images(SPEC), *images(other)])
    damaged = an_image()
    place = damaged.index(b"\x20\0\x13\0IS")  # InstanceNumber becomes a sequence that never ends
    data = damaged[:place] + b"\x20\0\x13\0SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0"
    (tmp_path / "x.dcm").write_bytes(data)
    outcome = read_studies(tmp_path)
    assert outcome.unreadable == ()
    assert {s.study_uid: len(s.lost) for s in outcome.studies} == {SPEC.study_uid: 1, other.study_uid: 0}


def test_a_study_of_which_only_a_damaged_file_is_left_is_told_of_by_its_uid(tmp_path: Path) -> None:
    damaged = an_image()
    place = damaged.index(b"\x20\0\x13\0IS")
    data = damaged[:place] + b"\x20\0\x13\0SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0"
    (tmp_path / "x.dcm").write_bytes(data)
    (study,) = read_studies(tmp_path).studies
    assert (study.study_uid, study.series) == (SPEC.study_uid, ())
    assert [refusal.code for refusal in study.unreadable] == ["unreadable_header"]
