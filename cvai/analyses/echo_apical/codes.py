"""Coded concepts of results from ultrasound, as data; names say view and method (PS3.16 CID 12300)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pydicom.sr.coding import Code

from cvai.dicom.write.codes import (
    LEFT_VENTRICLE,
    WITH_PAPILLARY_MUSCLES,
    MeasurementCoding,
    measurement_coding,
)
from cvai.domain.echo.views import EchoView

ULTRASOUND = Code("US", "DCM", "Ultrasound")
ECHOCARDIOGRAPHY = Code("40701008", "SCT", "Echocardiography")
IMAGE_VIEW = Code("111031", "DCM", "Image View")

VIEW_CODES: Mapping[EchoView, Code] = MappingProxyType(
    {
        EchoView.APICAL_4_CHAMBER: Code("399214001", "SCT", "Apical four chamber"),
        EchoView.APICAL_2_CHAMBER: Code("399232001", "SCT", "Apical two chamber"),
    }
)
"""Image views of CID 12226."""

VIEW_NAMES: Mapping[EchoView, str] = MappingProxyType(
    {EchoView.APICAL_4_CHAMBER: "apical four-chamber", EchoView.APICAL_2_CHAMBER: "apical two-chamber"}
)

_BIPLANE, _FOUR_CHAMBER, _TWO_CHAMBER = (
    "biplane (MOD)",
    "single plane 4C (MOD)",
    "single plane 2C (MOD)",
)


def _coded(ef: str, edv: str, esv: str, method: str) -> dict[str, MeasurementCoding]:
    """Ejection fraction and volumes of one method of discs."""

    def coding(value: str, what: str) -> MeasurementCoding:
        name = Code(value, "LN", f"Left ventricular {what} {method}")
        return MeasurementCoding(name, LEFT_VENTRICLE, qualifiers=(WITH_PAPILLARY_MUSCLES,))

    return {
        "lv_ef": MeasurementCoding(
            Code(ef, "LN", f"Left ventricular ejection fraction {method}"), LEFT_VENTRICLE
        ),
        "lv_edv": coding(edv, "end diastolic volume"),
        "lv_esv": coding(esv, "end systolic volume"),
    }


_BY_VIEW: Mapping[str, Mapping[str, MeasurementCoding]] = MappingProxyType(
    {
        "biplane": _coded("79991-6", "79996-5", "80001-1", _BIPLANE),
        EchoView.APICAL_4_CHAMBER.value: _coded("79993-2", "79999-9", "80004-5", _FOUR_CHAMBER),
        EchoView.APICAL_2_CHAMBER.value: _coded("79992-4", "79998-1", "80003-7", _TWO_CHAMBER),
    }
)


def echo_coding(view: str) -> Callable[[str], MeasurementCoding]:
    """Coding of measurements by name, for the view of an analysis: ``a4c``, ``a2c`` or ``biplane``.

    What no view changes, such as a heart rate, is coded as everywhere.
    """

    def coding(name: str) -> MeasurementCoding:
        return _BY_VIEW[view].get(name) or measurement_coding(name)

    return coding
