"""Tars as sources, plain and compressed: everything in them is read, or its loss is known."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cvai.dicom.read.files.members import UnpackLimits
from cvai.dicom.read.read import open_studies
from cvai.dicom.read.whole import require_readable
from cvai.errors import FileRefused, StudyRefused
from tests.dicom.read.dicom_files import SeriesSpec, images, write

SPEC = SeriesSpec(n_slices=3)
ENDINGS = {".tar": "", ".tgz": "gz", ".tar.gz": "gz", ".tar.bz2": "bz2", ".tar.xz": "xz"}


def contents(tmp_path: Path) -> dict[str, bytes]:
    paths = write(tmp_path / "in", images(SPEC))
    return {f"A/B/{path.name}": path.read_bytes() for path in paths}


def tarred(path: Path, members: dict[str, bytes], special: Sequence[tarfile.TarInfo] = ()) -> Path:
    mode = next(kind for ending, kind in ENDINGS.items() if path.name.endswith(ending))
    with tarfile.open(path, f"w:{mode}") as made:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
        for info in special:
            made.addfile(info)
    return path


def member(name: str, kind: bytes, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info


def refusal_of(source: Path, limits: UnpackLimits | None = None) -> FileRefused:
    with pytest.raises(FileRefused) as refusal, open_studies(source, limits):
        pass
    return refusal.value


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_tar_is_read_and_its_unpacked_files_go_again(tmp_path: Path, ending: str) -> None:
    with open_studies(tarred(tmp_path / f"study{ending}", contents(tmp_path))) as outcome:
        (study,) = outcome.studies
        assert outcome.unreadable == study.lost == ()
        unpacked = [plane.path for plane in study.series[0].planes]
        assert len(unpacked) == 27
    assert not any(path.exists() for path in unpacked)


@pytest.mark.parametrize("name", ["../../evil.dcm", "/var/evil.dcm", "a/../../../evil.dcm"])
def test_no_name_in_a_tar_points_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    (content, *_) = contents(tmp_path).values()
    archive = tarred(tmp_path / "study.tar", {name: content})
    before = set(tmp_path.rglob("*"))
    with open_studies(archive) as outcome:
        assert "evil" not in outcome.studies[0].series[0].planes[0].path.name
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("limits", [UnpackLimits(max_members=2), UnpackLimits(max_total_bytes=2_000_000)])
def test_a_tar_that_unpacks_to_too_much_is_refused(tmp_path: Path, limits: UnpackLimits) -> None:
    archive = tarred(tmp_path / "bomb.tgz", {str(i): bytes(1_000_000) for i in range(3)})
    assert archive.stat().st_size < 10_000
    assert refusal_of(archive, limits).code == "tar_too_large"


def test_members_that_are_no_files_are_counted(tmp_path: Path) -> None:
    folders = [member(f"d{number}", tarfile.DIRTYPE) for number in range(20)]
    archive = tarred(tmp_path / "bomb.tgz", {}, folders)
    assert refusal_of(archive, UnpackLimits(max_members=10)).code == "tar_too_large"


def test_a_member_that_is_passed_over_is_not_inflated_without_bound(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "bomb.tgz", {".hidden": bytes(9_000_000), "a": b"x"})
    assert refusal_of(archive, UnpackLimits(max_total_bytes=1_000_000)).code == "tar_too_large"


def test_a_header_of_any_size_is_refused_before_there_is_room_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tgz"
    with tarfile.open(path, "w:gz") as made:
        info = tarfile.TarInfo("headers")
        info.type, info.size = tarfile.XHDTYPE, 64 * 1024**2
        made.addfile(info, io.BytesIO(bytes(64 * 1024**2)))
    tracemalloc.start()
    assert refusal_of(path).code == "tar_too_large"
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 24 * 1024**2


def test_devices_and_pipes_are_not_made(tmp_path: Path) -> None:
    special = [member("null", tarfile.CHRTYPE), member("sda", tarfile.BLKTYPE), member("p", tarfile.FIFOTYPE)]
    with open_studies(tarred(tmp_path / "study.tar", contents(tmp_path), special)) as outcome:
        assert outcome.unreadable == ()


def test_links_to_other_members_lose_nothing(tmp_path: Path) -> None:
    links = [
        member("latest", tarfile.SYMTYPE, "A/B"),
        member("A/again.dcm", tarfile.SYMTYPE, "B/00000.dcm"),
        member("A/once-more.dcm", tarfile.LNKTYPE, "A/B/00000.dcm"),
    ]
    with open_studies(tarred(tmp_path / "study.tar", contents(tmp_path), links)) as outcome:
        assert outcome.unreadable == outcome.studies[0].lost == ()
        assert len(outcome.studies[0].series[0].planes) == 27


@pytest.mark.parametrize("target", ["/data/image.dcm", "../../image.dcm", "B/image.dcm"])
def test_a_link_to_what_is_not_packed_is_a_lost_image(tmp_path: Path, target: str) -> None:
    links = [member("A/a.dcm", tarfile.SYMTYPE, target)]
    with open_studies(tarred(tmp_path / "study.tar", contents(tmp_path), links)) as outcome:
        (study,) = outcome.studies
        assert [refusal.code for refusal in outcome.unreadable] == ["file_missing"]
        with pytest.raises(StudyRefused, match="link to a file"):
            require_readable(study, study.series[0].planes)


def test_a_link_in_a_zip_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents(tmp_path).items():
            archive.writestr(name, content)
        info = zipfile.ZipInfo("A/B/lost.dcm")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/data/lost.dcm")
        info = zipfile.ZipInfo("A/B/known.dcm")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "00000.dcm")
    with open_studies(path) as outcome:
        assert [refusal.code for refusal in outcome.unreadable] == ["file_missing"]
        assert len(outcome.studies[0].lost) == 1


def cut_in_a_member(data: bytes) -> bytes:
    return data[: len(data) // 2 + 700]


def cut_between_members(data: bytes) -> bytes:
    return data[: data.index(b"A/B/00010.dcm")]


def another_header(data: bytes) -> bytes:
    place = data.index(b"A/B/00010.dcm")
    return data[:place] + b"spoiled" + data[place + 7 :]


def more_behind_the_end(data: bytes) -> bytes:
    return data + data


@pytest.mark.parametrize(
    "damage", [cut_in_a_member, cut_between_members, another_header, more_behind_the_end]
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_damaged_tar_is_refused_and_not_taken_for_a_shorter_one(
    tmp_path: Path, damage: Callable[[bytes], bytes], compress: Callable[[bytes], bytes]
) -> None:
    archive = tarred(tmp_path / "study.tar", contents(tmp_path))
    archive.write_bytes(compress(damage(archive.read_bytes())))
    assert refusal_of(archive).code == "unreadable_tar"


@pytest.mark.parametrize("ending", [".tgz", ".tar.bz2", ".tar.xz"])
@pytest.mark.parametrize("lost_bytes", [1, 30, 5000])
def test_a_compressed_tar_that_breaks_off_is_refused(tmp_path: Path, ending: str, lost_bytes: int) -> None:
    archive = tarred(tmp_path / f"study{ending}", contents(tmp_path))
    archive.write_bytes(archive.read_bytes()[: -min(lost_bytes, archive.stat().st_size // 2)])
    assert refusal_of(archive).code == "unreadable_tar"


def test_a_flipped_bit_in_a_compressed_tar_is_found(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "study.tar", contents(tmp_path))
    data = bytearray(gzip.compress(archive.read_bytes()))
    data[-6] ^= 1  # of the checksum
    archive.write_bytes(data)
    assert refusal_of(archive).code == "unreadable_tar"


def test_one_compressed_image_is_read(tmp_path: Path) -> None:
    (content, *_) = contents(tmp_path).values()
    (tmp_path / "image.dcm.gz").write_bytes(gzip.compress(content))
    with open_studies(tmp_path / "image.dcm.gz") as outcome:
        assert len(outcome.studies[0].series[0].planes) == 1


def test_a_dicom_file_whose_preamble_looks_packed_is_a_dicom_file(tmp_path: Path) -> None:
    (content, *_) = contents(tmp_path).values()
    (tmp_path / "image.dcm").write_bytes(b"\x1f\x8b\x08" + content[3:])
    with open_studies(tmp_path / "image.dcm") as outcome:
        assert len(outcome.studies[0].series[0].planes) == 1


def test_what_is_clearly_no_image_is_so_in_a_tar_too(tmp_path: Path) -> None:
    members = contents(tmp_path)
    for name in ("README", "A/LICENSE", "autorun.inf", "A/B/INDEX.HTM"):
        members[name] = b"Look at the images with viewer.exe.\n"
    with open_studies(tarred(tmp_path / "study.tar", members)) as outcome:
        assert outcome.studies[0].lost == ()
        assert [refusal.code for refusal in outcome.no_images] == ["not_dicom"] * 4


def test_files_of_one_folder_stay_together(tmp_path: Path) -> None:
    """So a damaged file of one study does not cost the other."""
    other = SPEC.but(study_uid="1.2.3.4", series_uid="1.2.3.4.1")
    members = {f"one/{n}": p.read_bytes() for n, p in enumerate(write(tmp_path / "1", images(SPEC)))}
    members |= {f"two/{n}": p.read_bytes() for n, p in enumerate(write(tmp_path / "2", images(other)))}
    with open_studies(tarred(tmp_path / "both.tar", {**members, "two/7": b""})) as outcome:
        assert {study.study_uid: len(study.lost) for study in outcome.studies} == {
            SPEC.study_uid: 0,
            other.study_uid: 1,
        }
