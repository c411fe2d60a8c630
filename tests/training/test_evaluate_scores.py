from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.training.tasks.sax.evaluation.levels import Level, slices_by_level
from cvai.training.tasks.sax.evaluation.scores import score_volume
from cvai.training.tasks.sax.evaluation.summary import mean_of, summary
from tests.training.known import Known, drawn_heart, shifted, without_rows

CAVITY = SAX_LABELS[Structure.LV_CAVITY]


def stack_with_heart(before: int, heart: int, after: int) -> np.ndarray:
    """(z, 40, 40) discs of cavity that shrink towards the last slice of the heart."""
    labels = np.zeros((before + heart + after, 40, 40), dtype=np.uint8)
    y, x = np.indices((40, 40)) - 20
    for k in range(heart):
        labels[before + k][np.hypot(y, x) < 15 - 10 * k / heart] = CAVITY
    return labels


def test_thirds_run_from_base_to_apex_whichever_way_the_stack_runs() -> None:
    labels = stack_with_heart(0, 9, 0)
    down, up = slices_by_level(labels), slices_by_level(labels[::-1])
    assert [list(slices) for slices in down.values()] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [list(slices) for slices in up.values()] == [[6, 7, 8], [3, 4, 5], [0, 1, 2]]


@given(before=st.integers(0, 4), heart=st.integers(2, 14), after=st.integers(0, 4))
def test_every_slice_has_one_level_and_those_beyond_the_heart_go_with_its_ends(
    before: int, heart: int, after: int
) -> None:
    levels = slices_by_level(stack_with_heart(before, heart, after))
    together = np.concatenate(list(levels.values()))
    np.testing.assert_array_equal(np.sort(together), np.arange(before + heart + after))
    assert set(range(before)) <= set(levels[Level.BASE])
    inside = [len(set(s) & set(range(before, before + heart))) for s in levels.values()]
    assert max(inside) - min(inside) <= 1


def test_without_a_left_ventricle_there_are_no_levels() -> None:
    with pytest.raises(ValueError, match="no left ventricle"):
        slices_by_level(np.zeros((5, 8, 8), dtype=np.uint8))


def test_a_perfect_segmentation_scores_one_everywhere() -> None:
    volume = drawn_heart()
    score = score_volume(volume, Known([volume]))
    assert score.refused is None
    for scores in (score.whole, *score.levels.values()):
        for of_structure in scores.values():
            assert (of_structure.dice, of_structure.hd95_mm, of_structure.volume_error_ml) == (1.0, 0.0, 0.0)


def test_labels_one_column_off_are_one_pixel_away_and_keep_their_volume() -> None:
    volume = drawn_heart(spacing_mm=(10.0, 1.8, 1.3))
    score = score_volume(volume, Known([volume], change=lambda labels: shifted(labels, 1)))
    for of_structure in score.whole.values():
        assert of_structure.hd95_mm == pytest.approx(1.3)
        assert of_structure.volume_error_ml == 0
        assert of_structure.dice is not None
        assert 0.8 < of_structure.dice < 1


def test_a_volume_is_voxels_times_their_size_and_its_error_what_is_missing() -> None:
    volume = drawn_heart()
    score = score_volume(volume, Known([volume], change=without_rows(8)))
    voxel_ml = np.prod(volume.spacing_mm) / 1000
    cavity = volume.labels == CAVITY
    rows = np.flatnonzero(cavity.any(axis=(0, 2)))
    lost = np.count_nonzero(cavity[:, rows[0] : rows[0] + 8])
    of_cavity = score.whole[Structure.LV_CAVITY]
    assert of_cavity.reference_ml == pytest.approx(np.count_nonzero(cavity) * voxel_ml)
    assert of_cavity.volume_error_ml == pytest.approx(-lost * voxel_ml)
    assert score.whole[Structure.RV_CAVITY].volume_error_ml == 0


def test_volumes_of_the_levels_add_up_to_the_whole() -> None:
    volume = drawn_heart()
    score = score_volume(volume, Known([volume], change=lambda labels: shifted(labels, 2)))
    for structure in SAX_LABELS:
        parts = sum(scores[structure].volume_ml for scores in score.levels.values())
        assert parts == pytest.approx(score.whole[structure].volume_ml)


def test_a_structure_missing_at_one_level_is_not_compared_there() -> None:
    volume = drawn_heart()
    labels = volume.labels.copy()
    labels[4:][labels[4:] == SAX_LABELS[Structure.RV_CAVITY]] = 0
    volume = replace(volume, labels=labels)
    apex = score_volume(volume, Known([volume])).levels[Level.APEX][Structure.RV_CAVITY]
    assert (apex.dice, apex.hd95_mm, apex.volume_error_ml) == (None, None, 0.0)


def test_a_refused_heart_scores_as_empty_and_says_so() -> None:
    volume = drawn_heart()
    score = score_volume(volume, Known([volume], refuses=frozenset({("patient001", "ED")})))
    assert score.refused == "heart_not_found"
    for of_structure in score.whole.values():
        assert (of_structure.dice, of_structure.hd95_mm, of_structure.volume_ml) == (0.0, None, 0.0)


def test_means_are_taken_by_phase_over_what_is_defined() -> None:
    volumes = [drawn_heart(phase=phase, centre=c) for phase, c in (("ED", (40, 55)), ("ES", (42, 50)))]
    refusing = Known(volumes, refuses=frozenset({("patient001", "ES")}))
    summed = summary((volume.phase, score_volume(volume, refusing).whole) for volume in volumes)
    ed, es = (summed.dice[phase][Structure.LV_CAVITY] for phase in ("ED", "ES"))
    assert (ed.mean.value, es.mean.value) == (1.0, 0.0)
    assert summed.hd95_mm["ES"][Structure.LV_CAVITY].n == 0
    assert summed.hd95_mm["ES"][Structure.LV_CAVITY].mean.value is None


def test_a_mean_counts_only_what_is_there() -> None:
    mean = mean_of([1.0, None, 3.0, None])
    assert (mean.n, mean.mean.value, mean.mean.interval) == (2, 2.0, None)
    assert mean.sd == pytest.approx(np.sqrt(2))
    assert mean_of([5.0]).sd is None
