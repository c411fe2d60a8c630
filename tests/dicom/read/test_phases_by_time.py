"""Phases of different slices go together by time, and a heartbeat is a circle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from cvai.dicom.read.cine.real_time import beat_length
from cvai.dicom.read.values import AssembledCine
from cvai.errors import GeometryRefused
from tests.dicom.read.assembling import assemble, codes, refusal_of, where
from tests.dicom.read.dicom_files import SeriesSpec, edited, images

SPEC = SeriesSpec(n_phases=12, step_ms=70.0)


def place(ds: Dataset) -> tuple[int, int]:
    """0-based slice and phase as they were made."""
    z, t = (int(n) - 1 for n in ds.SOPInstanceUID.split(".")[-2:])
    return z, t


def moments(cine: AssembledCine) -> NDArray[np.int64]:
    """(t, z) index of the phase that each frame was made as."""
    return np.array([[int(p.sop_instance_uid.split(".")[-1]) - 1 for p in phase] for phase in cine.planes])


def delayed(datasets: list[Dataset], slices: tuple[int, ...], phases: float) -> list[Dataset]:
    """Slices that were triggered later: their last images come from the beginning of the next beat."""

    def delay(ds: Dataset) -> None:
        _, t = place(ds)
        ds.TriggerTime = f"{10.0 + (t + phases) * SPEC.step_ms:.1f}"

    return edited(datasets, delay, where=lambda ds: place(ds)[0] in slices)


@pytest.mark.slow
@pytest.mark.parametrize("phases", [1, 2, 4, 8, 11])
def test_slices_that_begin_later_are_turned_until_they_fit(tmp_path: Path, phases: int) -> None:
    cine = assemble(tmp_path, delayed(images(SPEC), (3, 4, 5), phases))
    found = moments(cine)
    for z in (3, 4, 5):  # image t was taken at phase t + phases of the beat
        np.testing.assert_array_equal((found[:, z] + phases) % 12, found[:, 0])
    assert codes(cine) == ["phases_put_in_step"]
    assert where(cine, "phases_put_in_step") == [(None, 3), (None, 4), (None, 5)]
    assert cine.stack.trigger_times_ms is not None
    assert np.ptp(cine.stack.trigger_times_ms, axis=1).max() < 1.0


@pytest.mark.parametrize("phases", [0.3, -0.3, 0.5])
def test_slices_within_half_a_phase_are_taken_as_they_are(tmp_path: Path, phases: float) -> None:
    cine = assemble(tmp_path, delayed(images(SPEC), (3, 4, 5), phases))
    np.testing.assert_array_equal(moments(cine)[:, 4], np.arange(12))
    assert codes(cine) == []


def test_slices_that_begin_later_in_a_beat_of_unknown_length_are_refused(tmp_path: Path) -> None:
    datasets = delayed(images(SPEC), (3, 4, 5), 4)
    for ds in datasets:
        del ds.HeartRate, ds.NominalInterval
    refusal = refusal_of(lambda: assemble(tmp_path, datasets))
    assert isinstance(refusal, GeometryRefused)
    assert refusal.code == "phases_out_of_step"


@pytest.mark.parametrize("interval_ms", [[840.0] * 7, [840, 760, 900, 840, 800, 880, 840]])
def test_phases_that_some_slices_lack_at_the_end_are_left_out_of_all(
    tmp_path: Path, interval_ms: list[float]
) -> None:
    datasets = [ds for ds in images(SPEC) if place(ds) not in [(3, 11), (6, 11), (5, 11), (5, 10)]]
    for ds in datasets:
        z, t = place(ds)
        ds.NominalInterval, ds.HeartRate = round(interval_ms[z]), round(60_000 / interval_ms[z])
        ds.TriggerTime = f"{t * interval_ms[z] / 12:.2f}"
    cine = assemble(tmp_path, datasets)
    np.testing.assert_array_equal(moments(cine), np.tile(np.arange(10)[:, np.newaxis], 7))
    assert codes(cine) == ["phases_left_out"]
    assert where(cine, "phases_left_out") == [(None, z) for z in (0, 1, 2, 3, 4, 6)]


def test_a_slice_with_finer_steps_gives_the_images_nearest_in_time(tmp_path: Path) -> None:
    coarse = [ds for ds in images(SPEC) if place(ds)[0] != 2]
    fine = [ds for ds in images(SPEC.but(n_phases=24, step_ms=35.0)) if place(ds)[0] == 2]
    cine = assemble(tmp_path, [*coarse, *fine])
    np.testing.assert_array_equal(moments(cine)[:, 2], 2 * np.arange(12))


def test_a_phase_that_is_missing_within_a_slice_is_refused(tmp_path: Path) -> None:
    datasets = [ds for ds in images(SPEC) if place(ds) != (4, 5)]
    assert refusal_of(lambda: assemble(tmp_path, datasets)).code == "missing_frame"


def test_a_trigger_time_that_is_stated_twice_is_told(tmp_path: Path) -> None:
    datasets = edited(
        images(SPEC), lambda ds: setattr(ds, "TriggerTime", "150"), where=lambda ds: place(ds) == (2, 1)
    )
    cine = assemble(tmp_path, datasets)
    np.testing.assert_array_equal(moments(cine)[:, 2], np.arange(12))
    assert where(cine, "repeated_trigger_time") == [(1, 2)]


def real_time(n_images: int, stated: Callable[[Dataset], None]) -> list[Dataset]:
    """Every slice goes through its phases again and again, without gating."""
    datasets = images(SPEC.but(n_slices=4, n_phases=n_images))
    for ds in datasets:
        z, t = place(ds)
        values = np.random.default_rng((z, t % 12)).integers(0, 997, (SPEC.rows, SPEC.columns))
        ds.PixelData = values.astype("<i2").tobytes()
        stated(ds)
    return datasets


@pytest.mark.slow
def test_of_a_real_time_cine_whole_beats_are_taken(tmp_path: Path) -> None:
    def stated(ds: Dataset) -> None:
        ds.NominalInterval, ds.HeartRate = 840, 71

    cine = assemble(tmp_path, real_time(40, stated))
    np.testing.assert_array_equal(moments(cine), np.tile(np.arange(12)[:, np.newaxis], 4))
    assert codes(cine) == ["one_of_several_heartbeats"]
    assert where(cine, "one_of_several_heartbeats") == [(None, z) for z in range(4)]


@pytest.mark.slow
def test_the_length_of_a_beat_is_seen_in_the_images_where_the_header_says_another(tmp_path: Path) -> None:
    def stated(ds: Dataset) -> None:
        ds.NominalInterval, ds.HeartRate = 600, 100

    cine = assemble(tmp_path, real_time(40, stated))
    assert cine.stack.n_phases == 12
    assert cine.stack.heart_rate_bpm is None
    assert codes(cine) == ["one_of_several_heartbeats", "heart_rate_contradicted"]


def test_a_long_cine_in_which_no_beat_is_seen_is_refused(tmp_path: Path) -> None:
    datasets = real_time(40, lambda _: None)
    rng = np.random.default_rng(0)
    for ds in datasets:
        ds.PixelData = rng.integers(0, 997, (6, 8)).astype("<i2").tobytes()
    assert refusal_of(lambda: assemble(tmp_path, datasets)).code == "several_heartbeats"


def test_noise_does_not_hide_the_length_of_a_beat() -> None:
    rng = np.random.default_rng(1)
    phases = rng.normal(size=(11, 8, 8))
    pixels = np.stack([phases[t % 11] for t in range(40)]) + rng.normal(scale=0.2, size=(40, 8, 8))
    assert beat_length(pixels.astype(np.float32), fewest=8) == 11
    assert beat_length(rng.normal(size=(40, 8, 8)).astype(np.float32), fewest=8) is None


@pytest.mark.parametrize(
    ("rate_bpm", "interval_ms"), [(142, 840), (71, 420), (142, None), (None, 420), (30, None), (None, 2000)]
)
def test_a_heart_rate_that_contradicts_itself_gives_no_output(
    tmp_path: Path, rate_bpm: int | None, interval_ms: int | None
) -> None:
    datasets = images(SPEC)
    for ds in datasets:
        ds.HeartRate, ds.NominalInterval = rate_bpm, interval_ms
    cine = assemble(tmp_path, datasets)
    assert cine.stack.heart_rate_bpm is None
    assert codes(cine) == ["heart_rate_contradicted"]
