"""Scanner and patient as an image states them."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from cvai.dicom.read.acquired import Acquired


def image(**values: object) -> Dataset:
    header = Dataset()
    for keyword, value in values.items():
        setattr(header, keyword, value)
    return header


def test_what_an_image_states_is_read() -> None:
    header = image(
        Manufacturer=" Imaginary ",
        ManufacturerModelName="Ring 3",
        MagneticFieldStrength="2.89",
        PatientSex="F",
        PatientAge="061Y",
    )
    assert Acquired.of(header) == Acquired("Imaginary", "Ring 3", 2.89, "F", 61)
    assert Acquired.of(header).scanner == "Imaginary Ring 3"


def test_what_is_not_stated_is_not_invented() -> None:
    assert Acquired.of(Dataset()) == Acquired()
    assert Acquired().scanner == ""


@pytest.mark.parametrize("stated", ["15000", "0", "-1.5"])
def test_a_field_strength_that_no_scanner_has_is_none(stated: str) -> None:
    assert Acquired.of(image(MagneticFieldStrength=stated)).field_strength_t is None
