"""Pixels stay in the type they are stored in, and rescale to the same numbers as ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from tests.dicom.read.assembling import assemble, expected_pixels
from tests.dicom.read.dicom_files import SeriesSpec, images, pixels_of

SPEC = SeriesSpec(n_slices=3, n_phases=8)


def restored(ds: Dataset, values: np.ndarray, stored_type: str) -> None:
    """Store an image in words of another type."""
    words = np.dtype(stored_type)
    ds.BitsAllocated = ds.BitsStored = 8 * words.itemsize
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(words.kind == "i")
    ds.PixelData = values.astype(words.newbyteorder("<")).tobytes()


def in_types(*types: str, modulo: int = 100) -> tuple[list[Dataset], np.ndarray]:
    """The images of SPEC with values below ``modulo``, stored in these types by turns, and their values."""
    datasets = images(SPEC)
    for number, ds in enumerate(datasets):
        z, t = divmod(number, SPEC.n_phases)
        restored(ds, pixels_of(SPEC, z, t) % modulo, types[number % len(types)])
    return datasets, expected_pixels(SPEC) % modulo


@pytest.mark.parametrize("stored_type", ["uint8", "int8", "uint16", "int16"])
def test_the_type_is_kept(tmp_path: Path, stored_type: str) -> None:
    datasets, values = in_types(stored_type)
    stack = assemble(tmp_path, datasets).stack
    assert stack.stored.dtype == stored_type
    assert stack.slopes is None
    assert stack.intercepts is None
    np.testing.assert_array_equal(stack.pixels, values)


@pytest.mark.parametrize(
    ("types", "kept"),
    [
        (("uint8", "uint16"), "uint16"),
        (("uint16", "uint8"), "uint16"),
        (("int8", "uint8"), "int16"),
        (("uint16", "int16"), "float32"),
        (("uint8", "int8", "uint16"), "float32"),
        (("uint8", "uint32"), "float32"),
        (("int32",), "float32"),
    ],
)
def test_mixed_types_become_one_that_holds_all(tmp_path: Path, types: tuple[str, ...], kept: str) -> None:
    datasets, values = in_types(*types)
    stack = assemble(tmp_path, datasets).stack
    assert stack.stored.dtype == kept
    np.testing.assert_array_equal(stack.pixels, values)


def test_every_frame_keeps_its_own_rescale(tmp_path: Path) -> None:
    datasets, values = in_types("uint16", modulo=1000)
    for number, ds in enumerate(datasets):
        ds.RescaleSlope, ds.RescaleIntercept = f"{1.1 + 0.37 * number:.2f}", f"{-3.3 * number:.1f}"
    stack = assemble(tmp_path, datasets).stack
    numbers = np.arange(len(datasets)).reshape(SPEC.n_slices, SPEC.n_phases).T  # (t, z)
    slopes = np.array([[f"{1.1 + 0.37 * n:.2f}" for n in row] for row in numbers], dtype=np.float32)
    intercepts = np.array([[f"{-3.3 * n:.1f}" for n in row] for row in numbers], dtype=np.float32)
    assert stack.stored.dtype == np.uint16
    np.testing.assert_array_equal(
        stack.pixels, values * slopes[..., None, None] + intercepts[..., None, None], strict=True
    )


@pytest.mark.parametrize(
    ("stored_type", "bits", "kept"), [("uint16", 12, "uint16"), ("int16", 12, "int16"), ("uint8", 8, "uint8")]
)
def test_what_is_turned_over_keeps_its_type(tmp_path: Path, stored_type: str, bits: int, kept: str) -> None:
    datasets, values = in_types(stored_type)
    for ds in datasets:
        ds.PhotometricInterpretation = "MONOCHROME1"
        ds.BitsStored, ds.HighBit = bits, bits - 1
    stack = assemble(tmp_path, datasets).stack
    white = -1 if stored_type.startswith("int") else 2**bits - 1
    assert stack.stored.dtype == kept
    np.testing.assert_array_equal(stack.pixels, np.float32(white) - values)
