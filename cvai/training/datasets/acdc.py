"""The ACDC training set: one folder a patient, both ventricles drawn at end-diastole and end-systole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from cvai.training.datasets.data import LabelledVolume, load_acdc_patient
from cvai.training.datasets.port import Source

ACDC = Source(
    title="ACDC training set, end-diastolic and end-systolic phases",
    citation=(
        "O. Bernard, A. Lalande, C. Zotti, F. Cervenansky, et al. Deep Learning Techniques for Automatic MRI "
        "Cardiac Multi-structures Segmentation and Diagnosis: Is the Problem Solved? IEEE Transactions on "
        "Medical Imaging, vol. 37, no. 11, pp. 2514-2525, Nov. 2018, doi 10.1109/TMI.2018.2837502"
    ),
    license="CC-BY-NC-SA-4.0",
    convention="as in ACDC: papillary muscles in the cavity, smooth endocardium",
)

ACDC_STATED: Mapping[str, str] = MappingProxyType({"vendor": "SIEMENS"})
"""Of all patients (Bernard et al.); which of the two scanners, of 1.5 and 3 T, is not stated."""


@dataclass(frozen=True, slots=True)
class AcdcFolder:
    """``patientNNN/`` with ``Info.cfg``, images and ground truth, as the challenge hands them out."""

    folder: Path

    @property
    def source(self) -> Source:
        """The challenge and its licence."""
        return ACDC

    def volumes(self, patient: str) -> tuple[LabelledVolume, ...]:
        """End-diastole and end-systole."""
        ed, es = load_acdc_patient(self.folder / patient)
        return replace(ed, stated=ACDC_STATED), replace(es, stated=ACDC_STATED)
