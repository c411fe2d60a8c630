"""The promises of ``cvai.archive.port.Archive``, kept by every filling."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydicom import dcmread

from cvai.errors import ArchiveRejected
from tests.contracts.conftest import Place
from tests.standin import (
    derived_uid,
    write_compressed_image,
    write_image,
    write_segmentation,
    write_study,
)


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


def received(place: Place, paths: list[Path]) -> None:
    """Receive files and wait until they stand in the archive, as the feed sees to."""
    place.receive(paths)
    feed = place.feed()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if feed.poll().study_uids:
            return
        time.sleep(0.05)
    raise TimeoutError("the study did not settle")


def test_an_unknown_study_has_no_instances(place: Place, study_uid: str) -> None:
    assert place.archive.content(study_uid).instances == ()


def test_content_names_every_instance_with_its_class_and_series(
    place: Place, study_uid: str, tmp_path: Path
) -> None:
    received(place, write_study(tmp_path / "src", study_uid, 3))
    content = place.archive.content(study_uid)
    assert content.sop_instance_uids == {derived_uid(study_uid, f"image {n}") for n in (1, 2, 3)}
    assert content.series_uids == (derived_uid(study_uid, "1.2.840.10008.5.1.4.1.1.4"),)
    assert all(instance.can_hold_a_cine for instance in content.instances)


def test_what_is_fetched_is_byte_for_byte_what_was_received(
    place: Place, study_uid: str, tmp_path: Path
) -> None:
    paths = [
        *write_study(tmp_path / "src", study_uid, 2),
        write_compressed_image(tmp_path / "src", study_uid, 3),
    ]
    received(place, paths)
    assert place.archive.fetch(study_uid, tmp_path / "got") == 3
    got = {path.read_bytes() for path in (tmp_path / "got").glob("*.dcm")}
    assert got == {path.read_bytes() for path in paths}


def test_fetching_twice_into_the_same_folder_leaves_one_copy(
    place: Place, study_uid: str, tmp_path: Path
) -> None:
    received(place, write_study(tmp_path / "src", study_uid, 2))
    place.archive.fetch(study_uid, tmp_path / "got")
    place.archive.fetch(study_uid, tmp_path / "got")
    assert len(list((tmp_path / "got").iterdir())) == 2


def test_a_stored_object_stands_in_the_study_and_is_no_source(
    place: Place, study_uid: str, tmp_path: Path
) -> None:
    received(place, write_study(tmp_path / "src", study_uid))
    before = place.archive.content(study_uid)
    path = write_segmentation(tmp_path / "out", study_uid)
    report = place.archive.store(study_uid, [path])
    after = place.archive.content(study_uid)
    uid = derived_uid(study_uid, "segmentation")
    assert (report.stored, report.skipped) == ((uid,), ())
    assert after.sop_instance_uids == before.sop_instance_uids | {uid}
    assert after.digest == before.digest


def test_storing_again_adds_nothing_and_says_so(place: Place, study_uid: str, tmp_path: Path) -> None:
    received(place, write_study(tmp_path / "src", study_uid))
    path = write_segmentation(tmp_path / "out", study_uid)
    place.archive.store(study_uid, [path])
    before = place.archive.content(study_uid)
    report = place.archive.store(study_uid, [path])
    assert (report.stored, report.skipped) == ((), (derived_uid(study_uid, "segmentation"),))
    assert place.archive.content(study_uid) == before


@pytest.mark.slow
def test_more_objects_than_one_request_carries_are_all_stored(
    place: Place, study_uid: str, tmp_path: Path
) -> None:
    paths = [write_image(tmp_path / "src", study_uid, number) for number in range(1, 104)]
    assert len(place.archive.store(study_uid, paths).stored) == 103
    assert len(place.archive.content(study_uid).instances) == 103


def test_what_is_no_dicom_object_is_never_stored(place: Place, study_uid: str, tmp_path: Path) -> None:
    path = tmp_path / "object.dcm"
    path.write_bytes(b"no DICOM at all")
    with pytest.raises(ArchiveRejected, match="not a DICOM object"):
        place.archive.store(study_uid, [path])


def test_another_image_changes_the_digest(place: Place, study_uid: str, tmp_path: Path) -> None:
    received(place, write_study(tmp_path / "src", study_uid, 2))
    before = place.archive.content(study_uid).digest
    place.archive.store(study_uid, [write_image(tmp_path / "late", study_uid, 3)])
    assert place.archive.content(study_uid).digest != before


def test_a_probe_tells_what_answered_and_no_credentials(place: Place) -> None:
    probe = place.archive.probe()
    assert probe.detail
    assert "loopback-only" not in probe.detail
    assert probe.clock is None or probe.clock.tzinfo is not None


def test_traits_are_what_every_series_says_of_itself(place: Place, study_uid: str, tmp_path: Path) -> None:
    paths = [
        *write_study(tmp_path / "src", study_uid, 2),
        write_segmentation(tmp_path / "src", study_uid),
    ]
    for path, series, description in zip(paths, "112", ("SAX cine", "SAX cine", "Contours"), strict=True):
        header = dcmread(path)
        header.SeriesInstanceUID = derived_uid(study_uid, series)
        header.SeriesDescription, header.StudyDescription = description, "Heart"
        header.StationName, header.BodyPartExamined = "MR2", "HEART"
        header.save_as(path)
    received(place, paths)
    values = dict(place.archive.traits(study_uid).values)
    assert values["Modality"] == {"MR", "DOC"}
    assert values["SeriesDescription"] == {"SAX cine", "Contours"}
    assert values["StudyDescription"] == {"Heart"}
    assert values["StationName"] == {"MR2"}
    assert values["BodyPartExamined"] == {"HEART"}


def test_an_unknown_study_has_no_traits(place: Place, study_uid: str) -> None:
    assert not any(place.archive.traits(study_uid).values.values())
