from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.vessels.segments import CoronarySegment
from cvai.training.datasets.arcade import Angiogram
from cvai.training.tasks.coronary.evaluation.scores import challenge_f1, stenosis_score, tree_score

EMPTY = np.zeros((40, 60), np.uint8)


def box(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_a_segment_that_is_drawn_or_found_counts() -> None:
    drawn, found = EMPTY.copy(), EMPTY.copy()
    drawn[box(0, 0, 10, 10)], drawn[box(20, 20, 10, 10)] = 5, 6
    found[box(0, 0, 10, 10)], found[box(20, 25, 10, 10)] = 5, 7
    score = tree_score(Angiogram("syntax/val/1", "syntax", EMPTY, drawn), found)
    assert score.segments == {
        CoronarySegment.SEGMENT_5: 1.0,
        CoronarySegment.SEGMENT_6: 0.0,
        CoronarySegment.SEGMENT_7: 0.0,
    }
    assert score.f1 == pytest.approx(1 / 3)
    assert score.vessel == pytest.approx(2 * 150 / 400)


def test_each_stenosis_found_counts_with_its_best_match_and_each_that_lacks_with_nothing() -> None:
    one, two = box(0, 0, 10, 10), box(20, 20, 10, 10)
    assert challenge_f1([one], [one]) == 1.0
    assert challenge_f1([one], [one, two]) == 0.5
    assert challenge_f1([one, box(0, 40, 10, 10)], [one]) == 0.5
    assert challenge_f1([box(0, 5, 10, 10)], [one]) == 0.5
    assert challenge_f1([], [one]) == 0.0
    assert challenge_f1([one], []) == 0.0
    assert challenge_f1([], []) == 1.0


def test_stenoses_are_counted_and_specks_are_not() -> None:
    drawn = EMPTY.copy()
    drawn[box(0, 0, 10, 10)], drawn[box(20, 20, 10, 10)] = 1, 1
    probability = np.where(box(0, 0, 10, 10) | box(0, 40, 10, 10), 0.9, 0.1).astype(np.float32)
    score = stenosis_score(Angiogram("stenosis/val/1", "stenosis", EMPTY, drawn), probability)
    assert (score.drawn, score.found, score.hit, score.f1) == (2, 2, 1, 0.5)
