from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from PIL import Image

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.errors import ConfigurationInvalid
from cvai.phantom.parameters import PhantomHeart
from cvai.training.core.loop import train, training_progress
from cvai.training.core.loss import OPEN, one_of
from cvai.training.datasets.kinds import DatasetKind, open_dataset
from cvai.training.datasets.nifti import NiftiFolder
from cvai.training.datasets.phantoms import write_phantom_pairs
from cvai.training.tasks.registry import run_of
from cvai.training.tasks.sax.config import FurtherDataConfig
from cvai.training.tasks.sax.evaluation.quantities import paired
from cvai.training.tasks.sax.evaluation.robustness import robustness
from cvai.training.tasks.sax.evaluation.scores import score_volumes
from cvai.training.tasks.sax.samples import slice_samples
from cvai.training.tasks.sax.task import SaxTask
from tests.sunnybrook import contour_masks, phase_of, read_frames, reference_lv_ef, reference_volumes_ml
from tests.training.acdc_like import small_config
from tests.training.known import Known, shifted

CASES = ["SCD0000101", "SCD0000301"]

DESCRIPTION = """
title = "drawn hearts"
citation = "nobody"
license = "CC0-1.0"
convention = "as here: papillary muscles in the cavity"
[files]
image = "images/{patient}_{phase}.nii.gz"
label = "labels/{patient}_{phase}.nii.gz"
[labels]
rv_cavity = 7
lv_cavity = 5
lv_myocardium = 3
[groups]
a = "HCM"
[stated.sex]
a = "F"
"""


def write_pair(folder: Path, name: str, labels: np.ndarray, zooms: tuple[float, float, float]) -> None:
    for kind, values in (("images", labels.astype(np.int16) * 10), ("labels", labels)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        image = nibabel.Nifti1Image(values, np.diag([*zooms, 1.0]))
        nibabel.save(image, folder / kind / f"{name}.nii.gz")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Patients a and b in a layout of their own: (x, y, z) = (5, 7, 3), labels 7, 5 and 3."""
    (tmp_path / "dataset.toml").write_text(DESCRIPTION)
    for patient in "ab":
        for phase in ("ED", "ES"):
            labels = np.zeros((5, 7, 3), dtype=np.uint8)
            labels[1, 2, 0], labels[3, 6, 1], labels[4, 0, 2] = 5, 3, 7
            write_pair(tmp_path, f"{patient}_{phase}", labels, (1.5, 1.8, 9.0))
    return tmp_path


def test_pairs_arrive_in_our_axes_labels_and_spacing(pairs: Path) -> None:
    dataset = open_dataset(DatasetKind.NIFTI, str(pairs))
    ed, es = dataset.volumes("a")
    assert (ed.phase, es.phase, ed.group) == ("ED", "ES", "HCM")
    assert ed.spacing_mm == pytest.approx((9.0, 1.8, 1.5))
    assert ed.labels.shape == (3, 7, 5)
    assert ed.labels[0, 2, 1] == SAX_LABELS[Structure.LV_CAVITY]
    assert ed.labels[1, 6, 3] == SAX_LABELS[Structure.LV_MYOCARDIUM]
    assert ed.labels[2, 0, 4] == SAX_LABELS[Structure.RV_CAVITY]
    assert ed.image[2, 0, 4] == 70.0
    assert ed.is_drawn_throughout
    other = dataset.volumes("b")[0]
    assert other.group == "not stated"
    assert (ed.stated, es.stated, other.stated) == ({"sex": "F"}, {"sex": "F"}, {})
    assert dataset.source.convention == "as here: papillary muscles in the cavity"
    assert dataset.source.license == "CC0-1.0"


def test_a_structure_the_description_leaves_out_is_not_taken_for_background(pairs: Path) -> None:
    (pairs / "dataset.toml").write_text(DESCRIPTION.replace("rv_cavity = 7\n", ""))
    with pytest.raises(ConfigurationInvalid) as unknown:
        NiftiFolder.open(pairs).volumes("a")
    assert unknown.value.code == "label_unknown"


def test_a_data_set_without_one_structure_is_evaluated_on_the_others(tmp_path: Path) -> None:
    (tmp_path / "dataset.toml").write_text(DESCRIPTION.replace("rv_cavity = 7\n", ""))
    for phase, rows in (("ED", 6), ("ES", 4)):
        labels = np.zeros((8, 9, 3), dtype=np.uint8)
        labels[2:rows, 2:6, :], labels[6, 2:6, :] = 5, 3
        write_pair(tmp_path, f"a_{phase}", labels, (1.5, 1.8, 9.0))
    volumes = NiftiFolder.open(tmp_path).volumes("a")
    assert not volumes[0].is_drawn_throughout
    scores = score_volumes(volumes, Known(volumes))
    right = scores[0].whole[Structure.RV_CAVITY]
    assert right.dice is right.hd95_mm is right.reference_ml is right.volume_error_ml is None
    assert scores[0].whole[Structure.LV_CAVITY].dice == 1.0
    assert set(paired(scores)) == {"lv_edv", "lv_esv", "lv_sv", "lv_ef", "lv_mass"}
    told = robustness(volumes, Known(volumes), ()).conditions["unchanged"]
    assert told.dice[Structure.RV_CAVITY] is told.loss[Structure.RV_CAVITY] is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda folder: (folder / "dataset.toml").unlink(), "data_missing"),
        (lambda folder: (folder / "dataset.toml").write_text("title = 3"), "dataset_invalid"),
        (lambda folder: (folder / "labels" / "a_ES.nii.gz").unlink(), "data_missing"),
        (
            lambda folder: (
                write_pair(folder / "x", "a_ES", np.zeros((5, 7, 3), dtype=np.uint8), (1.5, 1.8, 8.0))
                or (folder / "x" / "labels" / "a_ES.nii.gz").replace(folder / "labels" / "a_ES.nii.gz")
            ),
            "pair_differs",
        ),
    ],
)
def test_what_does_not_belong_together_is_told(pairs: Path, change: object, code: str) -> None:
    change(pairs)  # type: ignore[operator]
    with pytest.raises(ConfigurationInvalid) as wrong:
        open_dataset(DatasetKind.NIFTI, str(pairs)).volumes("a")
    assert wrong.value.code == code


@pytest.mark.real_data
@pytest.mark.parametrize("case", CASES)
def test_contours_become_labels_where_they_were_drawn(real_data: Path, case: str) -> None:
    ed, es = open_dataset(DatasetKind.SUNNYBROOK, str(real_data / "sunnybrook")).volumes(case)
    folder = real_data / "sunnybrook" / case
    frames, masks = read_frames(folder), contour_masks(folder)
    heights_mm = sorted({frame.along_mm for frame in frames.values()})
    places = {(phase_of(n, frames), heights_mm.index(frames[n].along_mm)): mask for n, mask in masks.items()}
    volumes_ml = reference_volumes_ml(folder)
    for volume, t in (
        (ed, max(volumes_ml, key=volumes_ml.__getitem__)),
        (es, min(volumes_ml, key=volumes_ml.__getitem__)),
    ):
        drawn = volume.drawn_slices(Structure.LV_CAVITY)
        assert drawn is not None
        assert set(drawn) == {z for phase, z in places if phase == t}
        for z in drawn:
            np.testing.assert_array_equal(volume.labels[z] == SAX_LABELS[Structure.LV_CAVITY], places[t, z])
    assert ed.drawn_slices(Structure.RV_CAVITY) is es.drawn_slices(Structure.LV_MYOCARDIUM) is None
    assert not ed.is_drawn_throughout
    assert ed.stated == {"vendor": "GE MEDICAL SYSTEMS", "field strength": "1.5 T"}


@pytest.mark.real_data
def test_dice_counts_contoured_slices_and_volumes_all(real_data: Path) -> None:
    volumes = open_dataset(DatasetKind.SUNNYBROOK, str(real_data / "sunnybrook")).volumes("SCD0000301")

    def everywhere(labels: np.ndarray) -> np.ndarray:
        grown = labels.copy()
        empty = ~labels.any(axis=(1, 2))
        grown[empty] = labels[np.flatnonzero(~empty)[0]]
        return grown

    as_drawn, grown = (score_volumes(volumes, Known(volumes, change=c)) for c in (np.copy, everywhere))
    reference = reference_lv_ef(real_data / "sunnybrook" / "SCD0000301")
    assert float(paired(as_drawn)["lv_ef"].reference[0]) == pytest.approx(reference.ef_percent, abs=0.01)
    for exact, beyond in zip(as_drawn, grown, strict=True):
        cavity, more = exact.whole[Structure.LV_CAVITY], beyond.whole[Structure.LV_CAVITY]
        assert cavity.dice == more.dice == 1.0
        assert cavity.hd95_mm == 0.0
        assert more.volume_ml >= cavity.volume_ml
    moved = score_volumes(volumes, Known(volumes, change=lambda labels: shifted(labels, 2)))
    assert 0.8 < moved[0].whole[Structure.LV_CAVITY].dice < 0.97  # type: ignore[operator]


def test_nothing_is_trained_on_labels_that_leave_a_structure_out(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "dataset.toml").write_text(DESCRIPTION.replace("rv_cavity = 7\n", ""))
    for name in ("patient001_ED", "patient001_ES", "patient002_ED", "patient002_ES"):
        write_pair(folder, name, np.full((8, 9, 3), 5, dtype=np.uint8), (1.5, 1.8, 9.0))
    data = config.data.model_copy(update={"kind": DatasetKind.NIFTI, "folder": str(folder)})
    with pytest.raises(ConfigurationInvalid) as partial, training_progress() as progress:
        train(run_of(config).with_values(data=data), resume=False, progress=progress)
    assert partial.value.code == "labels_partial"


def test_phantoms_become_pairs_with_their_true_volumes(tmp_path: Path) -> None:
    (name,) = write_phantom_pairs(tmp_path, ef_percents=[40.0])
    volumes = open_dataset(DatasetKind.NIFTI, str(tmp_path)).volumes(name)
    truth = PhantomHeart.drawn(1, 40.0)
    voxel_ml = float(np.prod(volumes[0].spacing_mm)) / 1000.0
    cavity_ml = [np.count_nonzero(v.labels == SAX_LABELS[Structure.LV_CAVITY]) * voxel_ml for v in volumes]
    assert cavity_ml == pytest.approx([truth.edv_ml, truth.edv_ml * 0.6], rel=0.06)
    assert all(v.is_drawn_throughout for v in volumes)


def _write_slice(case: Path, number: int, *, epi: bool) -> None:
    y, x = np.indices((40, 40))
    distance = np.hypot(y - 20, x - 18)
    pictures = {"": 40 + 150 * (distance < 8), "_endo": 255 * (distance < 8)}
    if epi:
        pictures["_epi"] = 255 * (distance < 12)
    for suffix, values in pictures.items():
        Image.fromarray(values.astype(np.uint8)).save(case / f"{number:04d}{suffix}.png")


def test_slices_of_pictures_are_joined_by_phase_and_say_what_was_drawn(tmp_path: Path) -> None:
    case = tmp_path / "SC-N-99"
    case.mkdir()
    for number in (19, 39, 79):
        _write_slice(case, number, epi=True)
    for number in (28, 48):
        _write_slice(case, number, epi=False)
    ed, es = open_dataset(DatasetKind.SUNNYBROOK_SLICES, str(tmp_path)).volumes("SC-N-99")
    assert (ed.phase, len(ed.image), es.phase, len(es.image)) == ("ED", 4, "ES", 2)
    drawn = ed.drawn_slices(Structure.LV_MYOCARDIUM)
    assert drawn is not None
    assert drawn.tolist() == [0, 1, 3]  # the third is not there
    assert ed.drawn_slices(Structure.RV_CAVITY) is None
    assert es.drawn_slices(Structure.LV_MYOCARDIUM) is None
    assert int((ed.labels[0] == 1).sum()) == int((es.labels[0] == 1).sum()) > 180
    assert (ed.group, es.stated["vendor"]) == ("normal", "GE MEDICAL SYSTEMS")
    ed_slices, es_slices = slice_samples(ed, 1.5), slice_samples(es, 1.5)
    assert [s["undrawn"] for s in ed_slices] == [one_of(0, 3)] * 3
    assert [s["undrawn"] for s in es_slices] == [one_of(0, 2, 3)] * 2


def test_further_data_are_drawn_as_often_as_their_share_says(tmp_path: Path) -> None:
    config = small_config(tmp_path / "whole")
    case = tmp_path / "slices" / "SC-N-99"
    case.mkdir(parents=True)
    for number in (19, 39):
        _write_slice(case, number, epi=True)
    split = tmp_path / "slices.toml"
    split.write_text('train = ["SC-N-99"]\nvalidation = []\n')
    further = FurtherDataConfig(
        kind=DatasetKind.SUNNYBROOK_SLICES, folder=str(case.parent), split=split, share=0.25
    )
    mixed = config.model_copy(update={"data": config.data.model_copy(update={"further": (further,)})})
    batches = SaxTask(mixed).batches(0)
    opened = [bool((label >= OPEN).any()) for _ in range(40) for label in next(batches)["label"]]
    assert sum(opened) / len(opened) == pytest.approx(0.25, abs=0.12)
