"""Which codes of structured reports say which quantity: the one table for all templates.

Each line names the context group that has the code (PS3.16): CID 12200 to 12239 are those of TID 5200, CID
12300 to 12309 those of TID 5300, CID 3467 to 3835 those of other cardiovascular templates, whose codes
TID 1500 uses too. What is not in the table is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cvai.dicom.read.reports.content import Key
from cvai.domain.reported import BEST_VALUE, MEAN, Method
from cvai.domain.subject import DIASTOLIC_MMHG, HEART_RATES_BPM, HEIGHTS_M, SYSTOLIC_MMHG, WEIGHTS_KG

LEFT_VENTRICLE: Key = ("SCT", "87878005")
RIGHT_VENTRICLE: Key = ("SCT", "53085002")
LEFT_ATRIUM: Key = ("SCT", "82471001")
SEPTUM: Key = ("SCT", "589001")
AORTIC_ROOT: Key = ("SCT", "8128003")
_HEART: Key = ("SCT", "80891009")
_LV_MYOCARDIUM: Key = ("SCT", "49848007")
_AORTA: Key = ("SCT", "15825003")
_TRICUSPID_ANNULUS: Key = ("SCT", "113259005")

END_DIASTOLE: Key = ("SCT", "416190007")
END_SYSTOLE: Key = ("SCT", "416430001")
_DIASTOLE: Key = ("SCT", "90892000")
_SYSTOLE: Key = ("SCT", "111973004")

_LV_SITES = frozenset({LEFT_VENTRICLE, _HEART, SEPTUM, _LV_MYOCARDIUM})
_RV_SITES = frozenset({RIGHT_VENTRICLE, _HEART, _TRICUSPID_ANNULUS})
_LA_SITES = frozenset({LEFT_ATRIUM, _HEART})
_AORTIC_SITES = frozenset({AORTIC_ROOT, _AORTA, _HEART})

_DIASTOLIC = frozenset({END_DIASTOLE, _DIASTOLE})
_SYSTOLIC = frozenset({END_SYSTOLE, _SYSTOLE})


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that reports may state.

    Args:
        title: in words.
        unit: UCUM code that it is given in here.
        bounds: in that unit; what lies outside is another quantity or unit than the report says.
        sites: finding sites that do not contradict it; empty where none is asked for.
        phases: points of the cardiac cycle that do not contradict it; empty where it has none.
    """

    title: str
    unit: str
    bounds: tuple[float, float]
    sites: frozenset[Key] = frozenset()
    phases: frozenset[Key] = frozenset()


def _ventricle(prefix: str, side: str, sites: frozenset[Key]) -> dict[str, Quantity]:
    absolute = {
        f"{prefix}_edv": Quantity(f"{side} end-diastolic volume", "mL", (3, 1000), sites, _DIASTOLIC),
        f"{prefix}_esv": Quantity(f"{side} end-systolic volume", "mL", (1, 900), sites, _SYSTOLIC),
        f"{prefix}_sv": Quantity(f"{side} stroke volume", "mL", (2, 400), sites),
        f"{prefix}_co": Quantity(f"{side} cardiac output", "L/min", (0.3, 30), sites),
    }
    ef = Quantity(f"{side} ejection fraction", "%", (2, 95), sites)
    return {**absolute, **_indices(absolute), f"{prefix}_ef": ef}


def _indices(absolute: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """The same by body surface."""
    return {
        f"{name}_index": Quantity(
            f"{q.title} index", f"{q.unit}/m2", (q.bounds[0] / 3, q.bounds[1]), q.sites, q.phases
        )
        for name, q in absolute.items()
    }


def _length(title: str, bounds: tuple[float, float], sites: frozenset[Key], *phases: Key) -> Quantity:
    return Quantity(title, "mm", bounds, sites, frozenset(phases))


_MASS = {"lv_mass": Quantity("LV mass", "g", (15, 900), _LV_SITES)}
_ATRIUM = {"la_max": Quantity("left atrial end-systolic volume", "mL", (3, 600), _LA_SITES, _SYSTOLIC)}

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        **_ventricle("lv", "LV", _LV_SITES),
        **_ventricle("rv", "RV", _RV_SITES),
        **_MASS,
        **_indices(_MASS),
        **_ATRIUM,
        **_indices(_ATRIUM),
        "lv_internal_ed": _length("LV internal diameter, end-diastole", (8, 120), _LV_SITES, *_DIASTOLIC),
        "lv_internal_es": _length("LV internal diameter, end-systole", (4, 110), _LV_SITES, *_SYSTOLIC),
        "lv_septum_ed": _length("septal thickness, end-diastole", (1, 60), _LV_SITES, *_DIASTOLIC),
        "lv_septum_es": _length("septal thickness, end-systole", (1, 70), _LV_SITES, *_SYSTOLIC),
        "lv_posterior_wall_ed": _length("posterior wall, end-diastole", (1, 60), _LV_SITES, *_DIASTOLIC),
        "lv_posterior_wall_es": _length("posterior wall, end-systole", (1, 70), _LV_SITES, *_SYSTOLIC),
        "lv_fractional_shortening": Quantity("LV fractional shortening", "%", (1, 80), _LV_SITES),
        "lv_gls_endo": Quantity("LV peak global longitudinal strain", "%", (-45, 0), _LV_SITES),
        "lv_gls_endo_a4c": Quantity("LV peak longitudinal strain, 4C", "%", (-45, 0), _LV_SITES),
        "lv_gls_endo_a2c": Quantity("LV peak longitudinal strain, 2C", "%", (-45, 0), _LV_SITES),
        "la_diameter": _length("left atrial diameter, antero-posterior", (5, 120), _LA_SITES, *_SYSTOLIC),
        "tapse": _length("tricuspid annular excursion", (1, 60), _RV_SITES),
        "aortic_root": _length("aortic root diameter", (5, 100), _AORTIC_SITES, *_DIASTOLIC, *_SYSTOLIC),
        "heart_rate": Quantity("heart rate", "/min", HEART_RATES_BPM),
    }
)
"""By name; the names of measurements are those of result.json."""

BODY: Mapping[str, Quantity] = MappingProxyType(
    {
        "body_height": Quantity("height", "m", HEIGHTS_M),
        "body_weight": Quantity("weight", "kg", WEIGHTS_KG),
        "bsa": Quantity("body surface area", "m2", (0.1, 4.0)),
        "systolic_pressure": Quantity("systolic blood pressure", "mm[Hg]", SYSTOLIC_MMHG),
        "diastolic_pressure": Quantity("diastolic blood pressure", "mm[Hg]", DIASTOLIC_MMHG),
        "heart_rate": QUANTITIES["heart_rate"],
    }
)
"""What Patient Characteristics state (TID 5201, TID 3602)."""

BODY_ALONE = frozenset(BODY) - {"heart_rate"}
"""Those that no other part of a report states."""

BODY_SURFACE: Key = ("LN", "8277-6")

BODY_CODES: Mapping[Key, str] = MappingProxyType(
    {
        ("LN", "8302-2"): "body_height",  # TID 3602
        ("LN", "29463-7"): "body_weight",  # TID 3602
        BODY_SURFACE: "bsa",  # TID 3602
        ("SCT", "271649006"): "systolic_pressure",  # TID 3602
        ("LN", "8480-6"): "systolic_pressure",  # CID 3611
        ("SCT", "271650006"): "diastolic_pressure",  # TID 3602, CID 3641
        ("LN", "8462-4"): "diastolic_pressure",  # CID 3611
        ("LN", "8867-4"): "heart_rate",  # CID 12200
    }
)

_US, _MR, _CT, _XA = "US", "MR", "CT", "XA"
_DISCS, _AREA_LENGTH, _LINEAR, THREE_D = "method of discs", "area-length", "linear dimensions", "3D"
BIPLANE, FOUR_CHAMBER, TWO_CHAMBER, SINGLE_PLANE = "biplane", "four-chamber", "two-chamber", "single plane"
_BIPLANE_DISCS = Method(_DISCS, BIPLANE, _US)
_DISCS_4C, _DISCS_2C = Method(_DISCS, FOUR_CHAMBER, _US), Method(_DISCS, TWO_CHAMBER, _US)
_VOLUME_3D = Method(THREE_D, "", _US)
_M_MODE, _TWO_D = Method("M mode", "", _US), Method("2D", "", _US)
_ANY_ECHO, _ANY = Method(modality=_US), Method()

_LOINC: Mapping[str, tuple[str, Method]] = {
    "18043-0": ("lv_ef", _ANY_ECHO),  # CID 12202
    "79991-6": ("lv_ef", _BIPLANE_DISCS),  # CID 12300
    "79993-2": ("lv_ef", _DISCS_4C),  # CID 12300
    "79992-4": ("lv_ef", _DISCS_2C),  # CID 12300
    "79990-8": ("lv_ef", _VOLUME_3D),  # CID 12300
    "77891-0": ("lv_ef", Method("Teichholz", "2D", _US)),  # CID 12300
    "18049-7": ("lv_ef", Method("Teichholz", "M mode", _US)),  # CID 12300
    "8811-2": ("lv_ef", Method(modality=_MR)),  # CID 3833
    "8810-4": ("lv_ef", Method(modality=_CT)),  # CID 3833
    "8808-8": ("lv_ef", Method(modality=_XA)),  # CID 3467
    "8818-7": ("rv_ef", Method(modality=_MR)),  # CID 3833
    "8817-9": ("rv_ef", Method(modality=_CT)),  # CID 3833
    "8815-3": ("rv_ef", Method(modality=_XA)),  # CID 3467
    "18026-5": ("lv_edv", _ANY_ECHO),  # CID 12202
    "79996-5": ("lv_edv", _BIPLANE_DISCS),  # CID 12300
    "79997-3": ("lv_edv_index", _BIPLANE_DISCS),  # CID 12300
    "79999-9": ("lv_edv", _DISCS_4C),  # CID 12300
    "79998-1": ("lv_edv", _DISCS_2C),  # CID 12300
    "79995-7": ("lv_edv", _VOLUME_3D),  # CID 12300
    "8821-1": ("lv_edv", _ANY),  # CID 3468, 3835
    "18148-7": ("lv_esv", _ANY_ECHO),  # CID 12202
    "80001-1": ("lv_esv", _BIPLANE_DISCS),  # CID 12300
    "80002-9": ("lv_esv_index", _BIPLANE_DISCS),  # CID 12300
    "80004-5": ("lv_esv", _DISCS_4C),  # CID 12300
    "80003-7": ("lv_esv", _DISCS_2C),  # CID 12300
    "80000-3": ("lv_esv", _VOLUME_3D),  # CID 12300
    "8823-7": ("lv_esv", _ANY),  # CID 3469, 3835
    "80035-9": ("lv_sv", _VOLUME_3D),  # CID 12300
    "8822-9": ("rv_edv", _ANY),  # CID 3468, 3835
    "8824-5": ("rv_esv", _ANY),  # CID 3469, 3835
    "18087-7": ("lv_mass", _ANY),  # CID 12203
    "80019-3": ("lv_mass", Method(_LINEAR, "2D", _US)),  # CID 12300
    "80020-1": ("lv_mass_index", Method(_LINEAR, "2D", _US)),  # CID 12300
    "80022-7": ("lv_mass", Method(_LINEAR, "M mode", _US)),  # CID 12300
    "80023-5": ("lv_mass_index", Method(_LINEAR, "M mode", _US)),  # CID 12300
    "80016-9": ("lv_mass", Method(_AREA_LENGTH, "", _US)),  # CID 12300
    "80017-7": ("lv_mass_index", Method(_AREA_LENGTH, "", _US)),  # CID 12300
    "80025-0": ("lv_mass", Method("truncated ellipse", "", _US)),  # CID 12300
    "80026-8": ("lv_mass_index", Method("truncated ellipse", "", _US)),  # CID 12300
    "79983-3": ("la_max", _BIPLANE_DISCS),  # CID 12300
    "79984-1": ("la_max_index", _BIPLANE_DISCS),  # CID 12300
    "79986-6": ("la_max", _DISCS_4C),  # CID 12300
    "79985-8": ("la_max", _DISCS_2C),  # CID 12300
    "79981-7": ("la_max", Method(_AREA_LENGTH, BIPLANE, _US)),  # CID 12300
    "79982-5": ("la_max_index", Method(_AREA_LENGTH, BIPLANE, _US)),  # CID 12300
    "29436-3": ("lv_internal_ed", _ANY_ECHO),  # CID 12201
    "80007-8": ("lv_internal_ed", _TWO_D),  # CID 12300
    "80008-6": ("lv_internal_ed", _M_MODE),  # CID 12300
    "29438-9": ("lv_internal_es", _ANY_ECHO),  # CID 12201
    "80011-0": ("lv_internal_es", _TWO_D),  # CID 12300
    "80012-8": ("lv_internal_es", _M_MODE),  # CID 12300
    "18154-5": ("lv_septum_ed", _ANY_ECHO),  # CID 12201
    "79969-2": ("lv_septum_ed", _TWO_D),  # CID 12300
    "79968-4": ("lv_septum_ed", _M_MODE),  # CID 12300
    "18158-6": ("lv_septum_es", _ANY_ECHO),  # CID 12201
    "79971-8": ("lv_septum_es", _TWO_D),  # CID 12300
    "79970-0": ("lv_septum_es", _M_MODE),  # CID 12300
    "18152-9": ("lv_posterior_wall_ed", _ANY_ECHO),  # CID 12201
    "80031-8": ("lv_posterior_wall_ed", _ANY_ECHO),  # CID 12300
    "80032-6": ("lv_posterior_wall_ed", _ANY_ECHO),  # CID 12300
    "18156-0": ("lv_posterior_wall_es", _ANY_ECHO),  # CID 12201
    "80033-4": ("lv_posterior_wall_es", _ANY_ECHO),  # CID 12300
    "80034-2": ("lv_posterior_wall_es", _ANY_ECHO),  # CID 12300
    "18051-3": ("lv_fractional_shortening", _ANY_ECHO),  # CID 12201
    "29434-8": ("lv_fractional_shortening", _TWO_D),  # CID 12300
    "29435-5": ("lv_fractional_shortening", _M_MODE),  # CID 12300
    "29469-4": ("la_diameter", _ANY_ECHO),  # CID 12205
    "79975-9": ("la_diameter", _TWO_D),  # CID 12300
    "79977-5": ("la_diameter", _M_MODE),  # CID 12300
    "77903-3": ("tapse", _ANY_ECHO),  # CID 12300
    "18015-8": ("aortic_root", _ANY_ECHO),  # CID 12212
    "79953-6": ("aortic_root", _ANY_ECHO),  # CID 12300
    "8867-4": ("heart_rate", _ANY),  # CID 12200
}

_OTHERS: Mapping[Key, tuple[str, Method]] = {
    ("SCT", "399235004"): ("la_max", _ANY_ECHO),  # CID 12205
    ("SCT", "429483009"): ("rv_sv", _ANY),  # CID 12204
    ("SCT", "429619008"): ("rv_sv_index", _ANY),  # CID 12204
    ("SCT", "428628004"): ("rv_co", _ANY),  # CID 12204
    ("SCT", "427990004"): ("rv_co_index", _ANY),  # CID 12204
    ("DCM", "122408"): ("la_max", _ANY),  # CID 3469, 3835
    ("DCM", "130694"): ("lv_gls_endo", _ANY_ECHO),  # CID 12309
    ("DCM", "130695"): ("lv_gls_endo_a4c", _ANY_ECHO),  # CID 12309
    ("DCM", "130696"): ("lv_gls_endo_a2c", _ANY_ECHO),  # CID 12309
}

CODES: Mapping[Key, tuple[str, Method]] = MappingProxyType(
    {**{("LN", code): meant for code, meant in _LOINC.items()}, **_OTHERS}
)
"""Name and method that a code says by itself."""

_VOLUME, _EF, _SV = ("SCT", "118565006"), ("SCT", "70822001"), ("SCT", "90096001")
_CO, _SI, _CI = ("SCT", "82799009"), ("SCT", "277381004"), ("SCT", "54993008")
_MASS_PROPERTY: Key = ("SCT", "118538004")
_INTERNAL, _THICKNESS = ("LN", "59090-1"), ("LN", "59089-3")

OF_A_SITE: Mapping[tuple[Key, Key, Key | None], str] = MappingProxyType(
    {
        (LEFT_VENTRICLE, _VOLUME, END_DIASTOLE): "lv_edv",  # CID 12304
        (LEFT_VENTRICLE, _VOLUME, END_SYSTOLE): "lv_esv",  # CID 12304
        (LEFT_VENTRICLE, _EF, None): "lv_ef",  # CID 12304
        (LEFT_VENTRICLE, _SV, None): "lv_sv",  # CID 12239, 12304
        (LEFT_VENTRICLE, _SI, None): "lv_sv_index",  # CID 12239
        (LEFT_VENTRICLE, _CO, None): "lv_co",  # CID 12239
        (LEFT_VENTRICLE, _CI, None): "lv_co_index",  # CID 12239
        (LEFT_VENTRICLE, _MASS_PROPERTY, None): "lv_mass",  # CID 12304
        (LEFT_VENTRICLE, _INTERNAL, END_DIASTOLE): "lv_internal_ed",  # CID 12304
        (LEFT_VENTRICLE, _INTERNAL, END_SYSTOLE): "lv_internal_es",  # CID 12304
        (RIGHT_VENTRICLE, _VOLUME, END_DIASTOLE): "rv_edv",  # CID 12304
        (RIGHT_VENTRICLE, _VOLUME, END_SYSTOLE): "rv_esv",  # CID 12304
        (RIGHT_VENTRICLE, _EF, None): "rv_ef",  # CID 12304
        (LEFT_ATRIUM, _VOLUME, END_SYSTOLE): "la_max",  # CID 12304
        (SEPTUM, _THICKNESS, END_DIASTOLE): "lv_septum_ed",  # CID 12304
        (SEPTUM, _THICKNESS, END_SYSTOLE): "lv_septum_es",  # CID 12304
    }
)
"""Name of a property of a finding site, at a point of the cardiac cycle where it has one."""

METHODS: Mapping[Key, Method] = MappingProxyType(
    {
        ("DCM", "125207"): Method(_DISCS, BIPLANE),  # CID 12227, Method of Disks, Biplane
        ("DCM", "125208"): Method(_DISCS, SINGLE_PLANE),  # CID 12227, Method of Disks, Single Plane
        ("DCM", "125227"): Method(_DISCS),  # CID 12227, Modified Simpson
        ("DCM", "125204"): Method(_AREA_LENGTH, BIPLANE),  # CID 12227
        ("DCM", "125205"): Method(_AREA_LENGTH, SINGLE_PLANE),  # CID 12227
        ("DCM", "125270"): Method(_AREA_LENGTH),  # CID 12227, Left Ventricle Mass by Area Length
        ("DCM", "125209"): Method("Teichholz"),  # CID 12227
        ("DCM", "125206"): Method("cube"),  # CID 12227
        ("DCM", "125211"): Method("ellipse", BIPLANE),  # CID 12227
        ("DCM", "125226"): Method("ellipse", SINGLE_PLANE),  # CID 12227
        ("DCM", "125228"): Method("bullet"),  # CID 12227
        ("DCM", "125221"): Method(_LINEAR, "M mode"),  # CID 12227, Left Ventricle Mass by M-mode
        ("DCM", "125222"): Method("truncated ellipse"),  # CID 12227
        ("DCM", "125219"): Method("Doppler volume flow"),  # CID 12227
        ("DCM", "125220"): Method("planimetry"),  # CID 12227
        ("DCM", "125316"): Method(),  # CID 12227, Directly measured
        ("DCM", "126030"): Method("sum of voxels"),  # CID 7466
        ("DCM", "130683"): Method(),  # CID 12310, Endocardial Method
        ("SCT", "258083009"): Method("visual estimation"),  # CID 3627
    }
)
"""What a Measurement Method says."""

PLANES: Mapping[Key, str] = MappingProxyType(
    {("SCT", "399214001"): FOUR_CHAMBER, ("SCT", "399232001"): TWO_CHAMBER}  # CID 12226
)
"""Plane of a single-plane method, by Image View."""

THREE_D_MODE: Key = ("SCT", "426865009")

DERIVATIONS: Mapping[Key, str] = MappingProxyType(
    {
        ("SCT", "373098007"): MEAN,  # CID 3627
        ("SCT", "371912002"): BEST_VALUE,  # CID 3627
        ("SCT", "258090004"): "",  # CID 3627, Calculated
        ("SCT", "258104002"): "",  # CID 3627, Measured
        ("SCT", "258083009"): "",  # CID 3627, Visual estimation, which is a method too
    }
)
"""Derivations of a value that stands for the quantity; a minimum or a deviation does not."""

MEASUREMENT_TYPES = frozenset({("DCM", "125316"), ("DCM", "125315"), ("DCM", "113857"), ("DCM", "125313")})
"""Measurement Types (CID 12303) of a value that is the property: measured, calculated, entered, indexed."""

UNITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "mL": {"mL": 1, "ml": 1, "cm3": 1, "L": 1000, "l": 1000},
        "mL/m2": {"mL/m2": 1, "ml/m2": 1, "cm3/m2": 1},
        "g": {"g": 1, "kg": 1000},
        "g/m2": {"g/m2": 1},
        "%": {"%": 1, "1": 100},
        "L/min": {"L/min": 1, "l/min": 1, "mL/min": 0.001, "ml/min": 0.001},
        "L/min/m2": {"L/min/m2": 1, "l/min/m2": 1, "L/(min.m2)": 1, "l/(min.m2)": 1, "ml/min/m2": 0.001},
        "mm": {"mm": 1, "cm": 10, "m": 1000},
        "m": {"m": 1, "cm": 0.01, "mm": 0.001, "[in_i]": 0.0254, "[ft_i]": 0.3048},
        "kg": {"kg": 1, "g": 0.001, "[lb_av]": 0.45359237},
        "m2": {"m2": 1, "cm2": 0.0001},
        "/min": {"/min": 1, "1/min": 1, "{H.B.}/min": 1, "{beats}/min": 1, "{beat}/min": 1, "{bpm}": 1},
        "mm[Hg]": {"mm[Hg]": 1, "kPa": 7.50062},
    }
)
"""Factors from UCUM units as reports state them to those given here."""
