"""How a study was acquired and of whom, as far as results are grouped by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydicom import Dataset

from cvai.dicom.read.header.attributes import number
from cvai.dicom.read.header.text import stated_text
from cvai.dicom.read.modality import modality_of
from cvai.dicom.read.subject import subject_of_headers
from cvai.dicom.read.values import Study
from cvai.domain.subject import Sex

FIELD_STRENGTHS_T = (0.01, 25.0)
"""Beyond these a stated field strength is none; some machines write gauss."""


NOMINAL_T = (0.35, 0.55, 1.0, 1.5, 3.0, 7.0)
"""Scanners of nominally 3 T state 2.89 to 3.0."""


@dataclass(frozen=True, slots=True)
class Acquired:
    """Scanner and patient of a study without any identifier; what is not stated is empty or None.

    Args:
        manufacturer: Manufacturer.
        model: ManufacturerModelName.
        field_strength_t: MagneticFieldStrength in tesla.
        sex: ``M`` or ``F``.
        age_years: completed years at the time of the study.
    """

    manufacturer: str = ""
    model: str = ""
    field_strength_t: float | None = None
    sex: Sex | None = None
    age_years: int | None = None

    @classmethod
    def of(cls, header: Dataset) -> Self:
        """What one image states."""
        strength_t = number(header, "MagneticFieldStrength")
        low_t, high_t = FIELD_STRENGTHS_T
        subject = subject_of_headers([header])
        return cls(
            stated_text(header, "Manufacturer").strip(),
            stated_text(header, "ManufacturerModelName").strip(),
            strength_t if strength_t is not None and low_t <= strength_t <= high_t else None,
            subject.sex,
            subject.age_years,
        )

    @classmethod
    def of_study(cls, study: Study, modality: str) -> Self | None:
        """What the first image of a modality states; None without one."""
        headers = (plane.header for series in study.series for plane in series.planes)
        return next((cls.of(header) for header in headers if modality_of(header) == modality), None)

    @property
    def nominal_field_strength(self) -> str:
        """The nominal field strength that is nearest; empty where none is stated.

        >>> Acquired(field_strength_t=2.8936).nominal_field_strength, Acquired().nominal_field_strength
        ('3 T', '')
        """
        stated_t = self.field_strength_t
        if stated_t is None:
            return ""
        return f"{min(NOMINAL_T, key=lambda nominal: abs(nominal - stated_t)):g} T"

    @property
    def scanner(self) -> str:
        """Manufacturer and model."""
        return " ".join(filter(None, (self.manufacturer, self.model)))
