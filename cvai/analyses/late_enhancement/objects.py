"""The DICOM objects of late enhancement: a segmentation, the measurements and the report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cvai.analyses.late_enhancement.analysis import EnhancementAnalysis
from cvai.dicom.write import codes
from cvai.dicom.write.plan import (
    DocumentPlan,
    DrawnSegments,
    SeriesPlan,
    SiteGroup,
    document_series,
    segmentation_series,
    segments_of,
)
from cvai.domain.anatomy import LGE_LABELS
from cvai.domain.message import say
from cvai.domain.tissue.segments import CAP_SHARE, share_name, transmurality_name
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level

FIRST_SERIES_NUMBER = 9041
SEG = "seg_lge"

SERIES: Mapping[str, SeriesPlan] = MappingProxyType(
    {SEG: segmentation_series("late-enhancement segmentation", 0, "seg_lge.dcm"), **document_series(1, 2)}
)

SEGMENTS = segments_of(LGE_LABELS)

DEFINITIONS = say(
    "Infarct and no-reflow are shares of all left ventricular myocardium of the slices measured; no-reflow "
    "counts as infarct. The segment of the myocardium holds what is neither."
)
RULES = say(
    "5 SD and FWHM are thresholds within the same contours, counted from remote myocardium; FWHM is half "
    "of the way to the brightest infarct."
)
TRANSMURALITY = say(
    "Transmurality of a segment is the share of the wall's thickness that the infarct reaches through along "
    "a quarter of its circumference or more. A single segment is a hint where to look: its interval is wide."
)
_SITES = (
    SiteGroup(
        "Infarct",
        codes.LEFT_VENTRICLE_MYOCARDIUM,
        ("infarct_share", "infarct_mass", "no_reflow_share", "transmural_share", "lv_mass"),
    ),
    SiteGroup("Enhanced by 5 SD above remote", codes.LEFT_VENTRICLE_MYOCARDIUM, ("enhanced_share_5sd",)),
    SiteGroup(
        "Enhanced by full width at half maximum", codes.LEFT_VENTRICLE_MYOCARDIUM, ("enhanced_share_fwhm",)
    ),
    *(
        SiteGroup(f"Infarct, {level} slices", codes.LEFT_VENTRICLE_MYOCARDIUM, (share_name(level),))
        for level in Level
    ),
    *(
        SiteGroup(
            f"Wall segment {segment.number}, {segment.display_name}",
            codes.WALL_SEGMENT_CODES[segment.number],
            (share_name(segment), transmurality_name(segment)),
        )
        for segment in WALL_SEGMENTS
    ),
    SiteGroup("Wall segment 17, apical cap", codes.APICAL_CAP, (CAP_SHARE,)),
)


def document(analysis: EnhancementAnalysis) -> DocumentPlan:
    """Content of the measurement document."""
    return DocumentPlan(
        procedure=codes.CARDIAC_MRI,
        modality=codes.MAGNETIC_RESONANCE,
        evidence=(SEG,),
        sites=_SITES,
        remarks=(DEFINITIONS, RULES, *segment_remarks(analysis)),
    )


def segment_remarks(analysis: EnhancementAnalysis) -> tuple[str, ...]:
    """What is to be read beside numbers by segment; none where there are none."""
    return (*analysis.remarks, TRANSMURALITY) if analysis.remarks else ()


def drawn(analysis: EnhancementAnalysis) -> tuple[DrawnSegments, ...]:
    """One segmentation of all slices."""
    return (
        DrawnSegments(
            kind=SEG,
            name="late enhancement",
            labels=analysis.labels[None],
            segments=SEGMENTS,
            planes=analysis.stack.planes,
            phases=range(1),
            geometry=analysis.stack.stack.geometry,
        ),
    )
