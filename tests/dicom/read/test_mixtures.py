"""However two acquisitions of one heart are mixed, cut, repeated and shuffled: never a third heart unmarked.

What is assembled is one of the two as it is assembled alone, or a warning stands beside it, or it is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, event, example, given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import AssembledCine
from cvai.domain.findings import Severity
from cvai.errors import Refused
from tests.dicom.read.dicom_files import SeriesSpec, add_pixels, image, write
from tests.dicom.read.in_memory import study_of

pytestmark = pytest.mark.slow

N_SLICES, N_PHASES = 4, 9
ROOT = "1.2.826.0.1.3680043.10.999.400"
SPEC = SeriesSpec(
    n_slices=N_SLICES, n_phases=N_PHASES, rows=8, columns=8, spacing_mm=(10.0, 10.0), step_ms=80.0,
    series_uid=f"{ROOT}.1", attributes={"SeriesDescription": "cine sax"},
)  # fmt: skip

MANNERS = {
    "stress": SPEC.but(step_ms=40.0, attributes={"SeriesDescription": "cine sax stress"}),
    "later": SPEC,
    "contrast": SPEC.but(attributes={"SeriesDescription": "cine sax", "ContrastBolusAgent": "GADOBUTROL"}),
}
"""How the second acquisition differs, beside its times: 40 minutes after the first, each slice a minute."""

Frame = tuple[int, int, int]
"""Acquisition (0 or 1), slice, phase."""

QUICK = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
"""Without explaining a failure line by line, which takes minutes. The examples are the same in every run, so
that what passes here passes anywhere; ``--hypothesis-seed`` does not change them, removing ``derandomize``
does."""

NOTHING: frozenset[Any] = frozenset()
FRAMES = st.tuples(st.integers(0, 1), st.integers(0, N_SLICES - 1), st.integers(0, N_PHASES - 1))


@dataclass(frozen=True)
class Mixture:
    """What of two acquisitions arrives, and how it is stored.

    Args:
        manner: how the second differs.
        one_series: whether both share a SeriesInstanceUID.
        series_a_slice: whether each slice of the first is a series.
        slices: of each acquisition that arrive.
        lost: frames that do not arrive.
        lost_phases: phases of all slices that do not arrive, of each acquisition.
        sent_again: frames that arrive once more, under another SOPInstanceUID.
        seed: of the order they arrive in.
    """

    manner: str
    one_series: bool
    series_a_slice: bool
    slices: tuple[frozenset[int], frozenset[int]]
    lost: frozenset[Frame]
    lost_phases: tuple[frozenset[int], frozenset[int]]
    sent_again: frozenset[Frame]
    seed: int

    def frames(self, acquisition: int) -> list[Frame]:
        return [
            frame
            for z in sorted(self.slices[acquisition])
            for t in range(N_PHASES)
            if (frame := (acquisition, z, t)) not in self.lost and t not in self.lost_phases[acquisition]
        ]


ALL_SLICES = st.just(frozenset(range(N_SLICES)))
FEW_PHASES = st.just(NOTHING) | st.frozensets(st.integers(0, N_PHASES - 1), max_size=2)


def some_slices(at_least: int) -> st.SearchStrategy[frozenset[int]]:
    return st.frozensets(st.integers(0, N_SLICES - 1), min_size=at_least)


MIXTURES = st.builds(
    Mixture,
    manner=st.sampled_from(sorted(MANNERS)),
    one_series=st.booleans(),
    series_a_slice=st.booleans(),
    slices=st.tuples(ALL_SLICES | some_slices(3), ALL_SLICES | some_slices(1)),
    lost=st.just(NOTHING) | st.frozensets(FRAMES, max_size=2),
    lost_phases=st.tuples(FEW_PHASES, FEW_PHASES),
    sent_again=st.just(NOTHING) | st.frozensets(FRAMES, max_size=4),
    seed=st.integers(0, 2**32),
)


@cache
def header(
    manner: str, one_series: bool, series_a_slice: bool, frame: Frame, sent_again: bool = False
) -> Dataset:
    """The data set of a frame; nobody writes to it."""
    acquisition, z, t = frame
    ds = image(MANNERS[manner] if acquisition else SPEC, z, t)
    ds.SOPInstanceUID = f"{ROOT}.{acquisition + 1}.{z + 1}.{t + 1}" + (".9" if sent_again else "")
    ds.AcquisitionTime = f"{8 + acquisition:02d}{(26 + 40 * acquisition + z) % 60:02d}00"
    ds.AcquisitionNumber = 1 + acquisition
    if acquisition and not one_series:
        ds.SeriesInstanceUID, ds.SeriesNumber = f"{ROOT}.2", 20
    if acquisition and one_series:
        ds.InstanceNumber = int(ds.InstanceNumber) + N_SLICES * N_PHASES
    if not acquisition and series_a_slice:
        ds.SeriesInstanceUID, ds.SeriesNumber = f"{ROOT}.1.{z + 1}", 5 + z
    return ds


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pixels by SOPInstanceUID, of every frame and of what is sent again; nothing else is in these files."""
    folder = tmp_path_factory.mktemp("pixels")
    frames = [(a, z, t) for a in (0, 1) for z in range(N_SLICES) for t in range(N_PHASES)]
    headers = [header("later", False, False, frame, again) for again in (False, True) for frame in frames]
    paths = write(folder, [pixels_alone(ds) for ds in headers])
    return {str(ds.SOPInstanceUID): path for ds, path in zip(headers, paths, strict=True)}


def pixels_alone(ds: Dataset) -> Dataset:
    alone = Dataset()
    alone.SOPClassUID, alone.SOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    add_pixels(alone, np.arange(64, dtype=np.int16).reshape(SPEC.rows, SPEC.columns))
    return alone


def datasets_of(mixture: Mixture, frames: Sequence[Frame]) -> list[Dataset]:
    layout = (mixture.manner, mixture.one_series, mixture.series_a_slice)
    arrived = [header(*layout, frame) for frame in frames]
    return arrived + [header(*layout, frame, True) for frame in frames if frame in mixture.sent_again]


def outcome(datasets: Sequence[Dataset], files: dict[str, Path]) -> AssembledCine | Refused:
    if not datasets:
        return Refused("nothing", "nothing arrived")
    try:
        return assemble_cine(select_sax_cine(study_of(datasets, files)))
    except Refused as refusal:
        reason = refusal
    assert reason.code != "pixel_data_unreadable"  # these files are the test's own
    return reason


def grid(cine: AssembledCine) -> tuple[tuple[Frame, ...], ...]:
    """Which frame is taken for which, a frame that was sent again being the same."""
    return tuple(tuple(frame_of(plane.sop_instance_uid) for plane in phase) for phase in cine.planes)


def frame_of(sop_instance_uid: str) -> Frame:
    acquisition, z, t = (int(n) for n in sop_instance_uid.removeprefix(f"{ROOT}.").split(".")[:3])
    return acquisition - 1, z - 1, t - 1


def warnings_of(cine: AssembledCine) -> set[str]:
    return {f.code for f in cine.findings if f.severity is not Severity.INFO}


def two(**changes: Any) -> Mixture:
    """Two whole acquisitions, a series each, but for the changes."""
    whole = frozenset(range(N_SLICES))
    return replace(
        Mixture("stress", False, False, (whole, whole), NOTHING, (NOTHING, NOTHING), NOTHING, 0), **changes
    )


@example(two())
@example(two(one_series=True))
@example(two(manner="later"))
@example(two(manner="later", one_series=True))
@example(two(manner="contrast"))
@example(two(series_a_slice=True))
@example(two(series_a_slice=True, slices=(frozenset({0, 1, 2, 3}), frozenset({1, 2}))))
@example(two(slices=(frozenset({0, 1}), frozenset({2, 3}))))
@example(two(manner="later", slices=(frozenset({0, 1, 2}), frozenset({3}))))
@example(two(manner="later", slices=(frozenset({0, 1, 2, 3}), frozenset({0}))))
@settings(max_examples=200, phases=QUICK, derandomize=True)
@given(MIXTURES)
def test_a_mixture_gives_one_honest_acquisition_or_a_warning_or_a_refusal(
    files: dict[str, Path], mixture: Mixture
) -> None:
    frames = [*mixture.frames(0), *mixture.frames(1)]
    datasets = datasets_of(mixture, frames)
    Random(mixture.seed).shuffle(datasets)  # noqa: S311 - an order, no secret
    mixed = outcome(datasets, files)
    if isinstance(mixed, Refused):
        event(f"refused: {mixed.code}")
        return
    alone = [outcome(datasets_of(mixture, mixture.frames(a)), files) for a in (0, 1)]
    honest = [cine for cine in alone if not isinstance(cine, Refused)]
    if any(grid(mixed) == grid(cine) for cine in honest):
        event("one acquisition")
        return
    usual = set.intersection(*(warnings_of(cine) for cine in honest)) if honest else set()
    new = warnings_of(mixed) - usual
    event(f"marked: {sorted(new)}")
    assert new, f"acquisitions {sorted({a for phase in grid(mixed) for a, _, _ in phase})} without a warning"


@settings(max_examples=60, phases=QUICK, derandomize=True)
@given(MIXTURES, st.randoms(use_true_random=False))
def test_the_order_in_which_images_arrive_changes_nothing(
    files: dict[str, Path], mixture: Mixture, chance: Random
) -> None:
    datasets = datasets_of(mixture, [*mixture.frames(0), *mixture.frames(1)])
    first = outcome(datasets, files)
    chance.shuffle(datasets)
    second = outcome(datasets, files)
    if isinstance(first, Refused) or isinstance(second, Refused):
        assert getattr(first, "code", "measured") == getattr(second, "code", "measured")
    else:
        assert grid(first) == grid(second)
        assert set(first.findings) == set(second.findings)


@example(two(series_a_slice=True, lost=frozenset({(0, 0, 1), (0, 0, 5)})))
@example(two(series_a_slice=True, lost=frozenset({(0, 1, 1), (0, 1, 5)})))
@example(two(lost=frozenset({(0, 0, 1), (0, 0, 5)})))
@settings(max_examples=60, phases=QUICK, derandomize=True)
@given(MIXTURES)
def test_what_of_one_acquisition_arrives_is_taken_frame_by_frame_for_what_it_is(
    files: dict[str, Path], mixture: Mixture
) -> None:
    alone = outcome(datasets_of(mixture, mixture.frames(0)), files)
    if isinstance(alone, Refused):
        return
    slices, phases = {z for _, z, _ in mixture.frames(0)}, {t for _, _, t in mixture.frames(0)}
    expected = tuple(tuple((0, z, t) for z in sorted(slices)) for t in sorted(phases))
    assert grid(alone) == expected or warnings_of(alone)


@settings(max_examples=10, derandomize=True)
@given(names=st.lists(st.uuids(), min_size=N_SLICES * N_PHASES, max_size=N_SLICES * N_PHASES, unique=True))
def test_names_of_files_change_nothing(tmp_path_factory: pytest.TempPathFactory, names: list[object]) -> None:
    folder = tmp_path_factory.mktemp("names")
    frames = [(0, z, t) for z in range(N_SLICES) for t in range(N_PHASES)]
    for name, frame in zip(names, frames, strict=True):
        (path,) = write(folder, [copy.deepcopy(header("later", False, False, frame))])
        path.rename(folder / f"{name}")
    (study,) = read_studies(folder).studies
    cine = assemble_cine(select_sax_cine(study))
    assert grid(cine) == tuple(tuple((0, z, t) for z in range(N_SLICES)) for t in range(N_PHASES))
