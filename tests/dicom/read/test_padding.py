"""Padding is as dark as air, whatever value it was stored with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.dicom.read.assembling import assemble
from tests.dicom.read.test_stored_types import SPEC, in_types, restored


@pytest.mark.parametrize(
    ("stored_type", "padding", "stated"),
    [
        pytest.param("uint16", 65535, {}, id="the highest value, unstated"),
        pytest.param("int16", -32768, {}, id="the lowest value, unstated"),
        pytest.param("uint16", 65535, {"PixelPaddingValue": 65535}, id="stated"),
        pytest.param("int16", -2000, {"PixelPaddingValue": 63536}, id="stated without its sign"),
        pytest.param(
            "uint16",
            130,
            {"PixelPaddingValue": 120, "PixelPaddingRangeLimit": 140},
            id="a range that is near",
        ),
        pytest.param(
            "uint16",
            0,
            {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 0},
            id="0, where 0 is white",
        ),
    ],
)
def test_padding_becomes_the_lowest_value_of_the_image(
    tmp_path: Path, stored_type: str, padding: int, stated: dict[str, object]
) -> None:
    datasets, values = in_types(stored_type)
    values = values + 1  # (t, z, y, x), so that 0 is free
    for number, ds in enumerate(datasets):
        z, t = divmod(number, SPEC.n_phases)
        values[t, z, :, :2] = padding
        restored(ds, values[t, z], stored_type)
        for keyword, value in stated.items():
            setattr(ds, keyword, value)
        if "PixelPaddingValue" in ds:
            ds["PixelPaddingValue"].VR = "US"
    read = assemble(tmp_path, datasets).stack.pixels
    white = 65535 if "PhotometricInterpretation" in stated else None
    shown = values if white is None else white - values
    np.testing.assert_array_equal(read[..., 2:], shown[..., 2:])
    darkest = shown[..., 2:].min(axis=(2, 3), keepdims=True)
    np.testing.assert_array_equal(read[..., :2], np.broadcast_to(darkest, read[..., :2].shape))


@pytest.mark.parametrize(
    ("beyond", "is_stated"),
    [
        pytest.param(-0.5, True, id="stated, but within the range of the image"),
        pytest.param(0.5, False, id="a bright corner"),
    ],
)
def test_what_may_be_a_part_of_the_image_is_left_alone(
    tmp_path: Path, beyond: float, is_stated: bool
) -> None:
    datasets, values = in_types("uint16")
    for number, ds in enumerate(datasets):
        z, t = divmod(number, SPEC.n_phases)
        image = values[t, z]
        low, high = int(image.min()), int(image.max())
        image[:, :2] = high + int(beyond * (high - low))
        restored(ds, image, "uint16")
        if is_stated:
            ds.PixelPaddingValue = int(image[0, 0])
    np.testing.assert_array_equal(assemble(tmp_path, datasets).stack.pixels, values)


def test_air_of_0_is_left_alone(tmp_path: Path) -> None:
    datasets, values = in_types("uint16")
    values = values + 300
    values[..., :2] = 0
    for number, ds in enumerate(datasets):
        z, t = divmod(number, SPEC.n_phases)
        restored(ds, values[t, z], "uint16")
    np.testing.assert_array_equal(assemble(tmp_path, datasets).stack.pixels, values)
