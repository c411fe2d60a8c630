from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.vessels.maps import VesselMaps
from cvai.domain.vessels.segments import (
    CORONARY_LABELS,
    LEFT_SEGMENTS,
    RIGHT_SEGMENTS,
    CoronarySegment,
)
from cvai.errors import ConfigurationInvalid
from cvai.models.coronary import CoronarySegmenter, named_segments, segments_of_one_artery
from cvai.models.folders import model_folder

SHAPE = (200, 260)
MID_RCA, DISTAL_RCA, MAIN = (
    CORONARY_LABELS[s]
    for s in (
        CoronarySegment.SEGMENT_2,
        CoronarySegment.SEGMENT_3,
        CoronarySegment.SEGMENT_5,
    )
)


def shares_of(labels: np.ndarray, sure: float = 0.9) -> np.ndarray:
    """(26, y, x) probabilities of which the label's is ``sure``."""
    one_hot = np.moveaxis(np.eye(26, dtype=np.float32)[labels], -1, 0)
    return np.asarray(one_hot * sure + (1 - sure) / 26, dtype=np.float32)


def named(labels: np.ndarray) -> np.ndarray:
    """What is made of probabilities that follow ``labels``."""
    shares = shares_of(labels)
    values = segments_of_one_artery(shares)
    return named_segments(shares[0] < 0.5, shares[values], values)


def vessel() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[20:100, 50:60] = MID_RCA
    labels[100:180, 50:60] = DISTAL_RCA
    return labels


def test_a_clean_tree_stays_as_it_is() -> None:
    np.testing.assert_array_equal(named(vessel()), vessel())


def test_specks_beside_the_tree_go() -> None:
    labels = vessel()
    labels[10:13, 200:204] = MID_RCA
    np.testing.assert_array_equal(named(labels), vessel())


def test_a_scrap_of_another_name_within_a_segment_takes_the_name_around_it() -> None:
    labels = vessel()
    labels[40:44, 50:60] = DISTAL_RCA
    np.testing.assert_array_equal(named(labels), vessel())


def test_a_frame_shows_one_artery_and_the_other_lends_no_names() -> None:
    labels = vessel()
    labels[60:100, 50:60] = MAIN
    found = named(labels)
    assert MAIN not in found
    np.testing.assert_array_equal(found > 0, labels > 0)


def test_nothing_stays_nothing() -> None:
    assert not named(np.zeros(SHAPE, np.uint8)).any()


def test_every_segment_belongs_to_one_artery_and_has_a_name() -> None:
    assert {*LEFT_SEGMENTS, *RIGHT_SEGMENTS} == set(CoronarySegment)
    assert len(LEFT_SEGMENTS) + len(RIGHT_SEGMENTS) == len({s.display_name for s in CoronarySegment}) == 25
    assert [CORONARY_LABELS[CoronarySegment(f"syntax_{n}")] for n in ("1", "9a", "16", "14b")] == [
        1,
        10,
        20,
        25,
    ]


@pytest.mark.parametrize("shape", [(512, 512), (300, 420)])
def test_an_empty_frame_shows_no_vessel_up_to_its_edges(shape: tuple[int, int]) -> None:
    segmenter = CoronarySegmenter.load(model_folder("coronary"), threads=1)
    maps = segmenter.maps(np.full(shape, 0.6, np.float32))
    assert maps.labels.shape == shape
    assert not maps.labels.any()


def test_maps_share_one_shape_and_are_read_only() -> None:
    labels, map_ = np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.float32)
    maps = VesselMaps(labels, map_, map_.copy())
    with pytest.raises(ValueError, match="read-only"):
        maps.labels[0, 0] = 1
    with pytest.raises(ValueError, match="one shape"):
        VesselMaps(labels, map_, np.zeros((5, 4), np.float32))


def test_a_model_for_other_images_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid, match="not for coronary angiograms"):
        CoronarySegmenter.load(model_folder("echo"), threads=1)
