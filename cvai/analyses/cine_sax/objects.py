"""The DICOM objects of a short-axis cine: which there are, and what each holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.write import codes
from cvai.dicom.write.codes import CardiacPhase
from cvai.dicom.write.plan import (
    DocumentPlan,
    DrawnSegments,
    SegmentGroup,
    SeriesPlan,
    SiteGroup,
    document_series,
    segmentation_series,
    segments_of,
)
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.message import say
from cvai.domain.ventricles.circumferential import Layer
from cvai.domain.ventricles.segments import WALL_SEGMENTS, WallSegment
from cvai.domain.ventricles.thickening import thickening_name, time_name
from cvai.domain.ventricles.wall_motion import INDEX, motion_name
from cvai.domain.ventricles.wall_thickness import measurement_name

FIRST_SERIES_NUMBER = 9001
PAPILLARY_MUSCLES = say(
    "Papillary muscles and trabeculae are counted as cavity: the volumes include them, the mass does not."
)


class CineKind(StrEnum):
    """Segmentation objects of a cine; the value is their ``kind`` in result.json."""

    CINE = "seg_cine"
    END_DIASTOLE = "seg_ed"
    END_SYSTOLE = "seg_es"


PHASE_KINDS: Mapping[CardiacPhase, CineKind] = MappingProxyType(
    {CardiacPhase.END_DIASTOLE: CineKind.END_DIASTOLE, CardiacPhase.END_SYSTOLE: CineKind.END_SYSTOLE}
)

SERIES: Mapping[str, SeriesPlan] = MappingProxyType(
    {
        CineKind.CINE: segmentation_series("cine segmentation", 0, "seg_cine.dcm"),
        CineKind.END_DIASTOLE: segmentation_series("end-diastolic segmentation", 1, "seg_ed.dcm"),
        CineKind.END_SYSTOLE: segmentation_series("end-systolic segmentation", 2, "seg_es.dcm"),
        **document_series(sr_offset=3, pdf_offset=4),
    }
)

_COUNTED = (
    (Structure.LV_CAVITY, CardiacPhase.END_DIASTOLE, ("lv_edv", "lv_edv_index")),
    (Structure.LV_CAVITY, CardiacPhase.END_SYSTOLE, ("lv_esv", "lv_esv_index")),
    (Structure.LV_MYOCARDIUM, CardiacPhase.END_DIASTOLE, ("lv_mass", "lv_mass_index")),
    (Structure.RV_CAVITY, CardiacPhase.END_DIASTOLE, ("rv_edv", "rv_edv_index")),
    (Structure.RV_CAVITY, CardiacPhase.END_SYSTOLE, ("rv_esv", "rv_esv_index")),
)
SEGMENTS = segments_of(SAX_LABELS)
_GROUPS = tuple(
    SegmentGroup(PHASE_KINDS[phase], SEGMENTS[SAX_LABELS[structure] - 1], phase, names)
    for structure, phase, names in _COUNTED
)
_FUNCTION = (
    SiteGroup(
        "Left ventricular function",
        codes.LEFT_VENTRICLE,
        ("lv_ef", "lv_sv", "lv_sv_index", "lv_co", "lv_co_index"),
    ),
    SiteGroup(
        "Right ventricular function",
        codes.RIGHT_VENTRICLE,
        ("rv_ef", "rv_sv", "rv_sv_index", "rv_co", "rv_co_index"),
    ),
    SiteGroup(
        "Left ventricular ejection and filling",
        codes.LEFT_VENTRICLE,
        (
            "lv_per",
            "lv_per_by_edv",
            "lv_time_to_per",
            "lv_time_to_es",
            "lv_pfr",
            "lv_pfr_by_edv",
            "lv_time_to_pfr",
            "lv_dvr80",
        ),
    ),
    SiteGroup(
        "Left ventricular circumferential strain",
        codes.LEFT_VENTRICLE_MYOCARDIUM,
        tuple(
            f"{name}_{layer}" for layer in Layer for name in ("lv_gcs", "lv_time_to_gcs", "lv_gcs_rate_early")
        ),
    ),
    SiteGroup("Left ventricular dyssynchrony", codes.LEFT_VENTRICLE_MYOCARDIUM, ("lv_dyssynchrony",)),
    SiteGroup("Left ventricular wall motion", codes.LEFT_VENTRICLE_MYOCARDIUM, (INDEX,)),
    SiteGroup("Heart rate", codes.HEART, ("heart_rate",), of_model=False),
    SiteGroup("Body size", codes.ENTIRE_BODY, ("bsa",), of_model=False),
)


def _wall_group(segment: WallSegment) -> SiteGroup:
    return SiteGroup(
        f"Wall segment {segment.number}, {segment.display_name}",
        codes.WALL_SEGMENT_CODES[segment.number],
        (
            *(measurement_name(segment, key) for key in codes.WALL_PHASES),
            thickening_name(segment),
            time_name(segment),
            motion_name(segment),
        ),
    )


_DOCUMENT = DocumentPlan(
    procedure=codes.CARDIAC_MRI,
    modality=codes.MAGNETIC_RESONANCE,
    evidence=tuple(PHASE_KINDS.values()),
    segments=_GROUPS,
    sites=(*_FUNCTION, *map(_wall_group, WALL_SEGMENTS)),
    remarks=(PAPILLARY_MUSCLES,),
)


def document(analysis: CineAnalysis) -> DocumentPlan:
    """Content of the measurement document: the same for every cine, but for what a reader has graded."""
    return replace(_DOCUMENT, remarks=(*_DOCUMENT.remarks, *analysis.remarks))


def drawn(analysis: CineAnalysis) -> tuple[DrawnSegments, ...]:
    """The whole cine with time as a dimension, and one each for end-diastole and end-systole.

    Each stands in a series of its own: viewers merge several segmentations of one series into one entry.
    """
    phases = range(analysis.segmentation.n_phases)
    return (
        _drawn(analysis, CineKind.CINE, "cine", phases),
        *(
            _drawn(analysis, kind, phase, [phase_index(analysis, phase)])
            for phase, kind in PHASE_KINDS.items()
        ),
    )


def _drawn(analysis: CineAnalysis, kind: CineKind, name: str, phases: range | list[int]) -> DrawnSegments:
    stack = analysis.cine.stack
    return DrawnSegments(
        kind=kind,
        name=name,
        labels=analysis.segmentation.labels,
        segments=SEGMENTS,
        planes=analysis.cine.planes,
        phases=phases,
        geometry=stack.geometry,
        times_ms=stack.phase_times_ms,
        has_time=kind is CineKind.CINE,
    )


def phase_index(analysis: CineAnalysis, phase: CardiacPhase) -> int:
    """0-based index of a key phase into the cine."""
    phases = analysis.phases
    return phases.end_diastole if phase is CardiacPhase.END_DIASTOLE else phases.end_systole
