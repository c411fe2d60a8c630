from __future__ import annotations

import numpy as np
import pytest

from cvai.dicom.read.cine.content import check_content, check_grey, repeated_phase_findings
from cvai.errors import FileRefused, GeometryRefused


def noisy_stack() -> np.ndarray:
    """(t, z, y, x)."""
    return np.random.default_rng(1).integers(0, 900, (3, 4, 8, 9)).astype(np.uint16)


def test_images_that_differ_pass() -> None:
    stored = noisy_stack()
    stored[2, 1] = stored[1, 1]  # a scanner may show a phase twice
    check_content(stored)
    check_content(stored[:1])


def test_a_phase_that_most_slices_show_twice_is_told() -> None:
    stored = noisy_stack()
    stored[1, 1] = stored[0, 1]
    stored[2] = stored[0]  # as exports close the loop
    assert not repeated_phase_findings(stored)
    stored[1, :3] = stored[0, :3]
    (finding,) = repeated_phase_findings(stored)
    assert finding.code == "phases_repeated"
    assert "Phases 1 and 2, 2 and 3 show the same pixels" in finding.message


def test_an_image_of_one_value_is_refused() -> None:
    stored = noisy_stack()
    stored[1:, 2] = 7
    with pytest.raises(FileRefused, match=r"2 of 12 images hold one value in all .* Slice 3 of 4") as refusal:
        check_content(stored)
    assert refusal.value.code == "blank_image"


@pytest.mark.parametrize("fill", [0, 128])
def test_images_that_end_after_part_of_their_rows_are_refused(fill: int) -> None:
    stored = noisy_stack()
    stored[1:, 2, 5:] = fill
    with pytest.raises(FileRefused, match=r"2 of 12 images end .* Slice 3 of 4") as refusal:
        check_content(stored)
    assert refusal.value.code == "image_cut_off"


def test_a_shutter_that_all_images_have_is_no_damage() -> None:
    stored = noisy_stack()
    stored[:, :, 5:] = 0
    stored[1, 1, 4:] = 0  # a row more
    check_content(stored)


def test_a_slice_that_was_resampled_may_end_a_fifth_earlier() -> None:
    stored = np.tile(noisy_stack(), (1, 1, 10, 1))
    stored[:, 3, -stored.shape[2] // 5 :] = 0
    check_content(stored)


def test_a_slice_that_does_not_move_is_refused() -> None:
    stored = noisy_stack()
    stored[:, 1] = stored[0, 1]
    with pytest.raises(GeometryRefused, match="Slice 2 of 4 shows one image in all 3 phases") as refusal:
        check_content(stored)
    assert refusal.value.code == "still_slice"


def test_pixels_of_another_slice_are_refused_in_any_phase() -> None:
    stored = noisy_stack()
    stored[2, 3] = stored[0, 1]
    with pytest.raises(GeometryRefused, match="Slice 4 of 4 shows the pixels of slice 2") as refusal:
        check_content(stored)
    assert refusal.value.code == "copied_slice"


def test_inverted_images_are_refused() -> None:
    y, x = np.mgrid[:64, :64]
    body = np.where((y - 32) ** 2 + (x - 32) ** 2 < 25**2, 500, 10) + noisy_stack()[0, :, :1, :1] / 100
    images = body.astype(np.float32)
    check_grey(images)
    check_grey(images[:, 15:-15, 15:-15])  # nothing but the body
    with pytest.raises(FileRefused, match="corners of the images are brighter") as refusal:
        check_grey(600 - images)
    assert refusal.value.code == "grey_inverted"
