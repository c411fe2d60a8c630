"""Coded concepts of results from ultrasound, as data; names say view and method (PS3.16 CID 12300)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pydicom.sr.coding import Code

from cvai.dicom.write.codes import (
    LEFT_ATRIUM,
    LEFT_VENTRICLE,
    WITH_PAPILLARY_MUSCLES,
    MeasurementCoding,
    indexed_coding,
    measurement_coding,
)
from cvai.domain.echo.views import EchoView
from cvai.domain.message import Message, say

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

VIEW_NAMES: Mapping[EchoView, Message] = MappingProxyType(
    {
        EchoView.APICAL_4_CHAMBER: say("apical four-chamber"),
        EchoView.APICAL_2_CHAMBER: say("apical two-chamber"),
    }
)
VIEW_TITLES: Mapping[EchoView, Message] = MappingProxyType(
    {
        EchoView.APICAL_4_CHAMBER: say("Apical four-chamber"),
        EchoView.APICAL_2_CHAMBER: say("Apical two-chamber"),
    }
)

_BIPLANE, _FOUR_CHAMBER, _TWO_CHAMBER = (
    "biplane (MOD)",
    "single plane 4C (MOD)",
    "single plane 2C (MOD)",
)


_OF_LAYER = {
    "endo": Code("130683", "DCM", "Endocardial Method"),
    "mid": Code("130685", "DCM", "Myocardial Midlayer Method"),
}
_PEAK_STRAIN = Code("130671", "DCM", "Peak Longitudinal Lagrangian Strain")
_TIME_TO_PEAK = Code("130672", "DCM", "Time to Peak Longitudinal Lagrangian Strain")


def _strain_coded() -> dict[str, MeasurementCoding]:
    """Longitudinal strain: of the endocardium CID 12309, of the mid-wall CID 12304 with method and view."""
    coded = {
        "lv_gls_endo": _of_ventricle(Code("130694", "DCM", "LV Peak GLS Multiview Mean (Endocardial)")),
        "lv_gls_endo_a4c": _of_ventricle(Code("130695", "DCM", "LV Peak GLS 4CH (Endocardial)")),
        "lv_gls_endo_a2c": _of_ventricle(Code("130696", "DCM", "LV Peak GLS 2CH (Endocardial)")),
        "lv_gls_mid": MeasurementCoding(
            _PEAK_STRAIN, LEFT_VENTRICLE, _OF_LAYER["mid"], words="mid-wall, mean of both views"
        ),
    }
    for view, code in VIEW_CODES.items():
        of_view = ((IMAGE_VIEW, code),)
        coded[f"lv_gls_mid_{view}"] = MeasurementCoding(
            _PEAK_STRAIN, LEFT_VENTRICLE, _OF_LAYER["mid"], of_view, f"mid-wall, {VIEW_NAMES[view]}"
        )
        coded[f"lv_gls_time_{view}"] = MeasurementCoding(
            _TIME_TO_PEAK, LEFT_VENTRICLE, _OF_LAYER["endo"], of_view, f"endocardium, {VIEW_NAMES[view]}"
        )
    return coded


def _of_ventricle(name: Code) -> MeasurementCoding:
    return MeasurementCoding(name, LEFT_VENTRICLE)


def _atrium_coded(
    largest: Code,
    largest_index: Code | None,
    by_area: MeasurementCoding,
    by_area_index: Code | None,
    discs: Code,
) -> dict[str, MeasurementCoding]:
    """The left atrium by one method of discs; what has no code of its own for an index gets a modifier."""
    of_largest = MeasurementCoding(largest, LEFT_ATRIUM)
    smallest = MeasurementCoding(Code("122407", "DCM", "Left Atrial ED Volume"), LEFT_ATRIUM, discs)
    return {
        "la_max": of_largest,
        "la_max_index": indexed_coding(of_largest)
        if largest_index is None
        else MeasurementCoding(largest_index, LEFT_ATRIUM),
        "la_max_area_length": by_area,
        "la_max_area_length_index": indexed_coding(by_area)
        if by_area_index is None
        else MeasurementCoding(by_area_index, LEFT_ATRIUM),
        "la_min": smallest,
        "la_min_index": indexed_coding(smallest),
        "la_ef": MeasurementCoding(
            Code("70822001", "SCT", "Cardiac ejection fraction"),
            LEFT_ATRIUM,
            discs,
            words="left atrial emptying",
        ),
    }


def _single_plane_atrium(value: str, view: str) -> dict[str, MeasurementCoding]:
    largest = Code(value, "LN", f"Left atrial end systolic volume single plane {view} (MOD)")
    by_area = MeasurementCoding(
        Code("122408", "DCM", "Left Atrial ES Volume"),
        LEFT_ATRIUM,
        Code("125205", "DCM", "Area-Length Single Plane"),
        words="area-length",
    )
    return _atrium_coded(largest, None, by_area, None, Code("125208", "DCM", "Method of Disks, Single Plane"))


def _biplane_atrium() -> dict[str, MeasurementCoding]:
    volume = "Left atrial end systolic volume biplane"
    return _atrium_coded(
        Code("79983-3", "LN", f"{volume} (MOD)"),
        Code("79984-1", "LN", f"{volume} (MOD) / BSA"),
        MeasurementCoding(Code("79981-7", "LN", f"{volume} (area-length)"), LEFT_ATRIUM),
        Code("79982-5", "LN", f"{volume} (area-length) / BSA"),
        Code("125207", "DCM", "Method of Disks, Biplane"),
    )


def _coded(ef: str, edv: str, esv: str, method: str) -> dict[str, MeasurementCoding]:
    """Ejection fraction and volumes of one method of discs."""

    def coding(value: str, what: str) -> MeasurementCoding:
        name = Code(value, "LN", f"Left ventricular {what} {method}")
        return MeasurementCoding(name, LEFT_VENTRICLE, qualifiers=(WITH_PAPILLARY_MUSCLES,))

    fraction = Code(ef, "LN", f"Left ventricular ejection fraction {method}")
    edv_coding, esv_coding = coding(edv, "end diastolic volume"), coding(esv, "end systolic volume")
    return {
        "lv_ef": MeasurementCoding(fraction, LEFT_VENTRICLE),
        "lv_ef_own_length": MeasurementCoding(fraction, LEFT_VENTRICLE, words="each phase's own length"),
        "lv_edv": edv_coding,
        "lv_esv": esv_coding,
        "lv_edv_index": indexed_coding(edv_coding),
        "lv_esv_index": indexed_coding(esv_coding),
    }


_BY_VIEW: Mapping[str, Mapping[str, MeasurementCoding]] = MappingProxyType(
    {
        "biplane": _coded("79991-6", "79996-5", "80001-1", _BIPLANE) | _biplane_atrium(),
        EchoView.APICAL_4_CHAMBER.value: _coded("79993-2", "79999-9", "80004-5", _FOUR_CHAMBER)
        | _single_plane_atrium("79986-6", "4C"),
        EchoView.APICAL_2_CHAMBER.value: _coded("79992-4", "79998-1", "80003-7", _TWO_CHAMBER)
        | _single_plane_atrium("79985-8", "2C"),
    }
)


_STRAIN: Mapping[str, MeasurementCoding] = MappingProxyType(_strain_coded())


def echo_coding(view: str) -> Callable[[str], MeasurementCoding]:
    """Coding of measurements by name, for the view of an analysis: ``a4c``, ``a2c`` or ``biplane``.

    What no view changes, such as a heart rate, is coded as everywhere.
    """

    def coding(name: str) -> MeasurementCoding:
        return _BY_VIEW[view].get(name) or _STRAIN.get(name) or measurement_coding(name)

    return coding
