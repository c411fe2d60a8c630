"""Bad studies among good ones: each ends as refused with its code, the good one is analysed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from cvai.jobs.job import JobState
from tests.dicom.read.dicom_files import SeriesSpec, images, write
from tests.e2e.conftest import PATIENCE_S
from tests.process import CVAI, Process, ended_jobs

CINE = SeriesSpec(n_phases=10)


def cine(number: int, **changes: Any) -> list[Dataset]:
    """A small cine of a study of its own."""
    study_uid = f"1.2.826.0.1.3680043.10.999.{number}"
    return images(CINE.but(study_uid=study_uid, series_uid=f"{study_uid}.1", **changes))


def empty_file(folder: Path) -> None:
    (folder / "image.dcm").write_bytes(b"")


def no_dicom(folder: Path) -> None:
    (folder / "image.dcm").write_bytes(bytes(range(256)) * 64)


def truncated_file(folder: Path) -> None:
    path = write(folder, cine(101))[12]
    path.write_bytes(path.read_bytes()[:-30])


def no_cine(folder: Path) -> None:
    write(folder, cine(102, n_phases=1))


def two_slices(folder: Path) -> None:
    write(folder, cine(103, n_slices=2))


def missing_frame(folder: Path) -> None:
    datasets = cine(104)
    del datasets[31]
    write(folder, datasets)


def zero_spacing(folder: Path) -> None:
    write(folder, cine(105, attributes={"PixelSpacing": [0, 0]}))


def undecodable(folder: Path) -> None:
    datasets = cine(106)
    for ds in datasets:
        ds.ensure_file_meta()
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
        ds.PixelData = encapsulate([b"\xffO\xffQ no codestream"])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    write(folder, datasets)


BAD: dict[Callable[[Path], None], str] = {
    empty_file: "empty_file",
    no_dicom: "not_dicom",
    truncated_file: "truncated_file",
    no_cine: "no_cine",
    two_slices: "too_few_slices",
    missing_frame: "missing_frame",
    zero_spacing: "invalid_pixel_spacing",
    undecodable: "pixel_data_unreadable",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Process]:
    (tmp_path / "service.toml").write_text(
        f'data_folder = "{tmp_path / "data"}"\npoll_interval_s = 0.2\n[folder]\nsettle_s = 0.5\n'
    )
    started = Process([*CVAI, "serve", "--config", tmp_path / "service.toml"], tmp_path / "service.log")
    yield started
    if started.died() is None:
        started.kill()


def test_bad_studies_end_refused_and_the_good_one_among_them_is_analysed(
    service: Process, phantom_study: tuple[str, list[Path]], tmp_path: Path
) -> None:
    deliveries = tmp_path / "deliveries"
    for make in BAD:
        (deliveries / make.__name__).mkdir(parents=True)
        make(deliveries / make.__name__)
    (deliveries / "good").mkdir()
    for path in phantom_study[1]:
        shutil.copy(path, deliveries / "good")
    shutil.copytree(deliveries, tmp_path / "data" / "inbox", dirs_exist_ok=True)

    outcomes = [job.outcome for job in ended_jobs(tmp_path / "data", len(BAD) + 1, PATIENCE_S)]
    refused = [outcome for outcome in outcomes if outcome.state is JobState.REFUSED]
    assert sorted(outcome.code for outcome in refused) == sorted(BAD.values())
    assert all(outcome.message and outcome.hint for outcome in refused)
    assert [outcome.state for outcome in outcomes if outcome not in refused] == [JobState.ANALYSED]
    assert service.stop() == 0
