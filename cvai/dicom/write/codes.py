"""Coded concepts of the result objects, as data.

Meanings are those of PS3.16's context groups; where the measured thing has a code of its own for the right
ventricle, that one is used, so that no number needs its context to be understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from pydicom.sr.coding import Code

from cvai.domain.anatomy import Structure
from cvai.domain.measurement import Normality
from cvai.domain.ventricles.circumferential import Layer
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.domain.ventricles.thickening import thickening_name, time_name
from cvai.domain.ventricles.wall_motion import INDEX, MotionGrade, motion_name
from cvai.domain.ventricles.wall_thickness import measurement_name


class CardiacPhase(StrEnum):
    """A phase of the cine at which volumes are read; the value is its name in messages."""

    END_DIASTOLE = "end-diastole"
    END_SYSTOLE = "end-systole"


Qualifier = tuple[Code, Code]
"""Concept and value of a modifier, which says more exactly what a coded name means."""

ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
MORPHOLOGICALLY_ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")
"""Categories of segments (CID 7150)."""

HEART = Code("80891009", "SCT", "Heart")
ENTIRE_BODY = Code("38266002", "SCT", "Entire body")
LEFT_VENTRICLE = Code("87878005", "SCT", "Left ventricle")
RIGHT_VENTRICLE = Code("53085002", "SCT", "Right ventricle")
LEFT_VENTRICLE_MYOCARDIUM = Code("49848007", "SCT", "Left Ventricle Myocardium")
LEFT_ATRIUM = Code("82471001", "SCT", "Left atrium")
MYOCARDIAL_INFARCTION = Code("22298006", "SCT", "Myocardial Infarction")
MICROVASCULAR_OBSTRUCTION = Code("26036001", "SCT", "Obstruction")
"""The head concept: the dictionary has none for no-reflow itself."""


STRUCTURE_CODES: Mapping[Structure, Code] = MappingProxyType(
    {
        Structure.LV_CAVITY: LEFT_VENTRICLE,
        Structure.LV_MYOCARDIUM: LEFT_VENTRICLE_MYOCARDIUM,
        Structure.RV_CAVITY: RIGHT_VENTRICLE,
        Structure.LEFT_ATRIUM: LEFT_ATRIUM,
        Structure.INFARCT: MYOCARDIAL_INFARCTION,
        Structure.NO_REFLOW: MICROVASCULAR_OBSTRUCTION,
    }
)
"""Segmented Property Type of every structure."""

ABNORMAL_STRUCTURES = frozenset({Structure.INFARCT, Structure.NO_REFLOW})
"""What is no part of a normal heart: another category of segments (CID 7150)."""

STRUCTURE_RGB: Mapping[Structure, tuple[int, int, int]] = MappingProxyType(
    {
        Structure.LV_CAVITY: (213, 94, 0),
        Structure.LV_MYOCARDIUM: (0, 158, 115),
        Structure.RV_CAVITY: (86, 180, 233),
        Structure.LEFT_ATRIUM: (204, 121, 167),
        Structure.INFARCT: (240, 228, 66),
        Structure.NO_REFLOW: (0, 114, 178),
    }
)
"""Vermillion, bluish green, sky blue, reddish purple, yellow and blue of Okabe and Ito's palette:
distinguishable with any colour vision."""

PHASE_CODES: Mapping[CardiacPhase, Code] = MappingProxyType(
    {
        CardiacPhase.END_DIASTOLE: Code("416190007", "SCT", "End diastole"),
        CardiacPhase.END_SYSTOLE: Code("416430001", "SCT", "End Systole"),
    }
)
CARDIAC_CYCLE_POINT = Code("272518008", "SCT", "Cardiac Cycle Point")

CARDIAC_MRI = Code("241620005", "SCT", "Cardiac MRI")
MAGNETIC_RESONANCE = Code("MR", "DCM", "Magnetic Resonance")
ENGLISH = Code("en", "RFC5646", "English")
SUM_OF_SEGMENTED_VOXELS = Code("126030", "DCM", "Sum of segmented voxel method for volume")
MOSTELLER = Code("122244", "DCM", "BSA = (HT*WT/36)^0.5")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
MANUAL_PROCESSING = Code("123109", "DCM", "Manual Processing")
SEGMENTATION_DERIVATION = Code("113076", "DCM", "Segmentation")
SOURCE_IMAGE_FOR_PROCESSING = Code("121322", "DCM", "Source image for image processing operation")
DIAGNOSTIC_IMAGING_REPORT = Code("18748-4", "LN", "Diagnostic Imaging Report")

QUALITY_FINDING = Code("111052", "DCM", "Quality Finding")
"""Of an image or an analysis (PS3.16 annex D); 121071 "Finding" would be read as one about the patient."""
COMMENT = Code("121106", "DCM", "Comment")
PATIENT_CHARACTERISTICS = Code("121118", "DCM", "Patient Characteristics")
BY_HAND: Qualifier = (
    Code("370129005", "SCT", "Measurement Method"),
    Code("113857", "DCM", "Manual Entry"),
)
IMPRESSIONS = Code("121072", "DCM", "Impressions")
IMPRESSION = Code("121073", "DCM", "Impression")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
SOURCE = Code("260753009", "SCT", "Source")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
MODALITY = Code("121139", "DCM", "Modality")
UPPER_UNCERTAINTY = Code("371886008", "SCT", "+, range of upper measurement uncertainty")
LOWER_UNCERTAINTY = Code("371885007", "SCT", "-, range of lower measurement uncertainty")
NORMAL_LOWER_LIMIT = Code("385524004", "SCT", "Normal Range Lower Limit")
NORMAL_UPPER_LIMIT = Code("371933006", "SCT", "Normal Range Upper Limit")
NORMAL_RANGE_DESCRIPTION = Code("121407", "DCM", "Normal Range description")
NORMAL_RANGE_AUTHORITY = Code("121408", "DCM", "Normal Range Authority")

NORMALITY_CODES: Mapping[Normality, Code] = MappingProxyType(
    {
        Normality.LOW: Code("371880002", "SCT", "Abnormally Low"),
        Normality.NORMAL: Code("17621005", "SCT", "Normal"),
        Normality.HIGH: Code("371879000", "SCT", "Abnormally High"),
    }
)
"""Values of Normality (CID 222)."""

NORMALITY = Code("121402", "DCM", "Normality")
BODY_SURFACE_AREA = Code("8277-6", "LN", "BSA")
_INDEX = Code("121425", "DCM", "Index")
INDEXED_BY_BODY_SURFACE: Qualifier = (_INDEX, BODY_SURFACE_AREA)
"""Index method of CID 3455; it turns the code of a volume or mass into that of its index."""
INDEXED_BY_EDV: Qualifier = (_INDEX, Code("8821-1", "LN", "Left Ventricular ED Volume"))
"""The same of a rate by the end-diastolic volume."""

_PAPILLARY_MUSCLES = Code("122670", "DCM", "Papillary Muscle Included/Excluded")
WITH_PAPILLARY_MUSCLES: Qualifier = (
    _PAPILLARY_MUSCLES,
    Code("122621", "DCM", "Papillary Muscle Included"),
)
WITHOUT_PAPILLARY_MUSCLES: Qualifier = (
    _PAPILLARY_MUSCLES,
    Code("122620", "DCM", "Papillary Muscle Excluded"),
)
"""Whether they are in what the number measures (CID 3821): the volumes have them, the mass has not, see
``cvai.domain.anatomy.SAX_PAPILLARY_MUSCLES``."""

UNITS: Mapping[str, Code] = MappingProxyType(
    {
        unit: Code(unit, "UCUM", meaning)
        for unit, meaning in {
            "mm": "millimeter",
            "cm2": "square centimeter",
            "m2": "square meter",
            "mL": "milliliter",
            "%": "percent",
            "g": "gram",
            "L/min": "liter per minute",
            "/min": "per minute",
            "mL/m2": "milliliter per square meter",
            "g/m2": "gram per square meter",
            "L/min/m2": "liter per minute per square meter",
            "ms": "millisecond",
            "mL/s": "milliliter per second",
            "/s": "per second",
            "%/s": "percent per second",
            "{score}": "score",
        }.items()
    }
)
"""Units of measurements, by UCUM code."""


@dataclass(frozen=True, slots=True)
class MeasurementCoding:
    """How one measurement of cvai is said in codes.

    ``qualifiers`` say what the name alone does not; ``words`` tell it from others of the same name, to be
    read behind it. ``method`` is None where the name says it all. ``grades`` says what each value of a score
    stands for; empty where the number is a quantity.
    """

    name: Code
    site: Code
    method: Code | None = None
    qualifiers: tuple[Qualifier, ...] = ()
    words: str = ""
    grades: Mapping[float, Code] = field(default_factory=dict)

    @property
    def meaning(self) -> str:
        """What was measured, in words; an index is written as LOINC writes those of CID 12300."""
        if INDEXED_BY_BODY_SURFACE in self.qualifiers:
            return f"{self.name.meaning} / BSA"
        if INDEXED_BY_EDV in self.qualifiers:
            return f"{self.name.meaning} / EDV"
        return ", ".join(filter(None, (self.name.meaning, self.words)))

    @property
    def is_index(self) -> bool:
        """Whether the code of the name is that of what is indexed, and not of the index itself."""
        return any(concept == _INDEX for concept, _ in self.qualifiers)


def _coding(value: str, scheme: str, meaning: str, site: Code) -> MeasurementCoding:
    return MeasurementCoding(Code(value, scheme, meaning), site)


def _volume(value: str, meaning: str, site: Code) -> MeasurementCoding:
    name = Code(value, "LN", meaning)
    return MeasurementCoding(name, site, SUM_OF_SEGMENTED_VOXELS, (WITH_PAPILLARY_MUSCLES,))


WALL_PHASES: Mapping[str, CardiacPhase] = MappingProxyType(
    {"ed": CardiacPhase.END_DIASTOLE, "es": CardiacPhase.END_SYSTOLE}
)
"""Phases at which the wall is measured, by their key in names of measurements."""

WALL_THICKNESS = Code("122445", "DCM", "Wall Thickness")
WALL_SEGMENT_CODES: Mapping[int, Code] = MappingProxyType(
    {
        number: Code(value, "SCT", f"left ventricle {segment} segment")
        for number, (value, segment) in enumerate(
            (
                ("264850008", "basal anterior"),
                ("396482007", "basal anteroseptal"),
                ("396646008", "basal inferoseptal"),
                ("264846001", "basal inferior"),
                ("396652009", "basal inferolateral"),
                ("396654005", "basal anterolateral"),
                ("264848000", "mid anterior"),
                ("396647004", "mid anteroseptal"),
                ("396649001", "mid inferoseptal"),
                ("264847005", "mid inferior"),
                ("396655006", "mid inferolateral"),
                ("396656007", "mid anterolateral"),
                ("264844003", "apical anterior"),
                ("264845002", "apical septal"),
                ("264849008", "apical inferior"),
                ("264853005", "apical lateral"),
            ),
            start=1,
        )
    }
)
"""Segments of the wall by their number (CID 3717), without the apical cap."""
APICAL_CAP = Code("128564006", "SCT", "Apex of left ventricle")
"""Segment 17 (CID 3717)."""

_WALL: Mapping[str, MeasurementCoding] = MappingProxyType(
    {
        measurement_name(segment, key): MeasurementCoding(
            WALL_THICKNESS,
            WALL_SEGMENT_CODES[segment.number],
            qualifiers=((CARDIAC_CYCLE_POINT, PHASE_CODES[phase]),),
            words=f"{segment.display_name}, {phase}",
        )
        for key, phase in WALL_PHASES.items()
        for segment in WALL_SEGMENTS
    }
)

_DERIVATION = Code("121401", "DCM", "Derivation")
_PEAK: Qualifier = (_DERIVATION, Code("56851009", "SCT", "Maximum"))
_LOWEST: Qualifier = (_DERIVATION, Code("255605001", "SCT", "Minimum"))
_DEVIATION: Qualifier = (_DERIVATION, Code("386136009", "SCT", "Standard Deviation"))
_FINDING = Code("121071", "DCM", "Finding")
_TIME_TO_PEAK = Code("113069", "DCM", "Time To Peak")
_THICKENING = Code("59092-7", "LN", "% Thickening")
_EJECTION_RATE = Code("122616", "DCM", "Peak Ejection Rate")
_FILLING_RATE = Code("122618", "DCM", "Peak Filling Rate")
_STRAIN = Code("130677", "DCM", "Circumferential Lagrangian Strain")
_STRAIN_RATE = Code("130678", "DCM", "Circumferential Lagrangian Strain Rate")
_EARLY_DIASTOLE: Qualifier = (CARDIAC_CYCLE_POINT, Code("444389002", "SCT", "Early Diastole"))
_DIASTOLE: Qualifier = (CARDIAC_CYCLE_POINT, Code("90892000", "SCT", "Diastole"))

_TIMING: Mapping[str, MeasurementCoding] = MappingProxyType(
    {
        "lv_per": MeasurementCoding(_EJECTION_RATE, LEFT_VENTRICLE),
        "lv_per_by_edv": MeasurementCoding(_EJECTION_RATE, LEFT_VENTRICLE, qualifiers=(INDEXED_BY_EDV,)),
        "lv_time_to_per": MeasurementCoding(
            Code("122617", "DCM", "Peak Ejection Time"), LEFT_VENTRICLE, words="from end-diastole"
        ),
        "lv_time_to_es": MeasurementCoding(
            Code("385673002", "SCT", "Interval"),
            LEFT_VENTRICLE,
            qualifiers=((CARDIAC_CYCLE_POINT, PHASE_CODES[CardiacPhase.END_SYSTOLE]),),
            words="end-diastole to end-systole",
        ),
        "lv_pfr": MeasurementCoding(_FILLING_RATE, LEFT_VENTRICLE, words="first half of diastole"),
        "lv_pfr_by_edv": MeasurementCoding(_FILLING_RATE, LEFT_VENTRICLE, qualifiers=(INDEXED_BY_EDV,)),
        "lv_time_to_pfr": MeasurementCoding(
            Code("122619", "DCM", "Peak Filling Time"), LEFT_VENTRICLE, words="from end-systole"
        ),
        "lv_dvr80": MeasurementCoding(
            Code("118586006", "SCT", "Ratio"),
            LEFT_VENTRICLE,
            qualifiers=(_DIASTOLE,),
            words="share of diastole until 80 % of the stroke volume is recovered",
        ),
    }
)


def _strain(layer: Layer, method: Code) -> Mapping[str, MeasurementCoding]:
    """Strain of one layer; ``method`` is one of CID 12310."""

    def coded(name: Code, words: str, *qualifiers: Qualifier) -> MeasurementCoding:
        return MeasurementCoding(
            name, LEFT_VENTRICLE_MYOCARDIUM, method, qualifiers, f"{words}, {layer.display_name}"
        )

    return {
        f"lv_gcs_{layer}": coded(_STRAIN, "peak", _LOWEST),
        f"lv_time_to_gcs_{layer}": coded(
            _TIME_TO_PEAK, "circumferential strain from end-diastole", (_FINDING, _STRAIN)
        ),
        f"lv_gcs_rate_early_{layer}": coded(_STRAIN_RATE, "peak in early diastole", _PEAK, _EARLY_DIASTOLE),
    }


_THICKENING_BY_SEGMENT: Mapping[str, MeasurementCoding] = MappingProxyType(
    {
        **{
            thickening_name(segment): MeasurementCoding(
                _THICKENING,
                WALL_SEGMENT_CODES[segment.number],
                qualifiers=(_PEAK,),
                words=f"{segment.display_name}, peak",
            )
            for segment in WALL_SEGMENTS
        },
        **{
            time_name(segment): MeasurementCoding(
                _TIME_TO_PEAK,
                WALL_SEGMENT_CODES[segment.number],
                qualifiers=((_FINDING, _THICKENING),),
                words=f"thickening of {segment.display_name} from end-diastole",
            )
            for segment in WALL_SEGMENTS
        },
        "lv_dyssynchrony": MeasurementCoding(
            Code("125325", "DCM", "Dyssynchrony Index"),
            LEFT_VENTRICLE_MYOCARDIUM,
            qualifiers=(_DEVIATION, (_FINDING, _THICKENING)),
            words="times to peak thickening of 16 segments",
        ),
    }
)

WALL_MOTION_GRADES: Mapping[float, Code] = MappingProxyType(
    {
        MotionGrade.NORMAL: Code("373122000", "SCT", "Normal wall motion"),
        MotionGrade.HYPOKINETIC: Code("37706002", "SCT", "Hypokinesis"),
        MotionGrade.AKINETIC: Code("195675009", "SCT", "Akinesis"),
        MotionGrade.DYSKINETIC: Code("25437005", "SCT", "Dyskinesis"),
    }
)
"""Findings of CID 3703 by their score."""

_SCALE = Code("125223", "DCM", "4 Point Segment Finding Scale")
_SCORES = ", ".join(f"{grade.value} {grade.display_name}" for grade in MotionGrade)
_WALL_MOTION: Mapping[str, MeasurementCoding] = MappingProxyType(
    {
        **{
            motion_name(segment): MeasurementCoding(
                Code("60797005", "SCT", "Cardiac wall motion, function"),
                WALL_SEGMENT_CODES[segment.number],
                _SCALE,
                words=f"{segment.display_name}: {_SCORES}",
                grades=WALL_MOTION_GRADES,
            )
            for segment in WALL_SEGMENTS
        },
        INDEX: MeasurementCoding(
            Code("125202", "DCM", "LV Wall Motion Score Index"), LEFT_VENTRICLE_MYOCARDIUM, _SCALE
        ),
    }
)

_COUNTED: Mapping[str, MeasurementCoding] = MappingProxyType(
    {
        "lv_edv": _volume("8821-1", "Left Ventricular ED Volume", LEFT_VENTRICLE),
        "lv_esv": _volume("8823-7", "Left Ventricular ES Volume", LEFT_VENTRICLE),
        "lv_mass": MeasurementCoding(
            Code("18087-7", "LN", "Left Ventricle Mass"),
            LEFT_VENTRICLE_MYOCARDIUM,
            SUM_OF_SEGMENTED_VOXELS,
            (WITHOUT_PAPILLARY_MUSCLES,),
        ),
        "rv_edv": _volume("8822-9", "Right Ventricular ED Volume", RIGHT_VENTRICLE),
        "rv_esv": _volume("8824-5", "Right Ventricular ES Volume", RIGHT_VENTRICLE),
    }
)
"""What is counted in voxels. No context group has a code for its index by cardiac MR."""


def indexed_coding(coding: MeasurementCoding) -> MeasurementCoding:
    """The same per square metre of body surface: post-coordinated, so that any reader knows both halves."""
    return replace(coding, qualifiers=(*coding.qualifiers, INDEXED_BY_BODY_SURFACE))


MEASUREMENT_CODES: Mapping[str, MeasurementCoding] = MappingProxyType(
    {
        **_COUNTED,
        **_WALL,
        **_THICKENING_BY_SEGMENT,
        **_WALL_MOTION,
        **_TIMING,
        **_strain(Layer.ENDOCARDIUM, Code("130683", "DCM", "Endocardial Method")),
        **_strain(Layer.MID_WALL, Code("130685", "DCM", "Myocardial Midlayer Method")),
        **{f"{name}_index": indexed_coding(coding) for name, coding in _COUNTED.items()},
        "lv_sv": _coding("90096001", "SCT", "Stroke Volume", LEFT_VENTRICLE),
        "lv_sv_index": _coding("277381004", "SCT", "Stroke Index", LEFT_VENTRICLE),
        "lv_ef": _coding("8811-2", "LN", "Left ventricular ejection fraction by MR", LEFT_VENTRICLE),
        "lv_co": _coding("82799009", "SCT", "Cardiac Output", LEFT_VENTRICLE),
        "lv_co_index": _coding("54993008", "SCT", "Cardiac Index", LEFT_VENTRICLE),
        "rv_sv": _coding("429483009", "SCT", "RV Stroke Volume", RIGHT_VENTRICLE),
        "rv_sv_index": _coding("429619008", "SCT", "RV Stroke Index", RIGHT_VENTRICLE),
        "rv_ef": _coding("8818-7", "LN", "Right ventricular ejection fraction by MR", RIGHT_VENTRICLE),
        "rv_co": _coding("428628004", "SCT", "RV Cardiac Output", RIGHT_VENTRICLE),
        "rv_co_index": _coding("427990004", "SCT", "RV Cardiac Index", RIGHT_VENTRICLE),
        "heart_rate": _coding("8867-4", "LN", "Heart rate", HEART),
        "bsa": MeasurementCoding(BODY_SURFACE_AREA, ENTIRE_BODY, MOSTELLER),
    }
)
"""Coding of every measurement, by its name in result.json."""


def measurement_coding(name: str) -> MeasurementCoding:
    """Coding of the measurement called ``name``.

    Raises:
        ValueError: this measurement has no code.
    """
    if name not in MEASUREMENT_CODES:
        raise ValueError(
            f"measurement {name} has no code; add one to cvai.dicom.write.codes.MEASUREMENT_CODES"
        )
    return MEASUREMENT_CODES[name]
