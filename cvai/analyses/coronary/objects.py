"""The DICOM objects of a study of coronary angiography: a segmentation for each run, document and report."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from types import MappingProxyType

from cvai.analyses.coronary.analyse import MOST_RUNS
from cvai.analyses.coronary.analysis import CoronaryAnalysis, MeasuredRun, NumberedLesion
from cvai.analyses.coronary.codes import (
    CORONARY_ANGIOGRAPHY,
    CORONARY_ARTERY,
    SEGMENT_CODES,
    X_RAY_ANGIOGRAPHY,
)
from cvai.dicom.write.plan import (
    DocumentPlan,
    DrawnSegments,
    Segment,
    SeriesPlan,
    SiteGroup,
    document_series,
    segmentation_series,
)
from cvai.domain.message import say
from cvai.domain.vessels.segments import CORONARY_LABELS, CoronarySegment

FIRST_SERIES_NUMBER = 9301
LESION_NUMBERS = ("stenosis", "minimal_diameter", "reference_diameter", "length")
METHOD = say(
    "Edges by the width at half maximum of the contrast in the grey picture; reference diameter interpolated "
    "from the healthy stretches on both sides of a lesion. SYNTAX score and occlusions are not given."
)


def seg_kind(number: int) -> str:
    """Kind of the segmentation of the n-th run, as in result.json; n counts from 1."""
    return f"seg_run_{number}"


SERIES: Mapping[str, SeriesPlan] = MappingProxyType(
    {
        **{
            seg_kind(n): segmentation_series(f"coronary segmentation, run {n}", n + 1, f"seg_run_{n}.dcm")
            for n in range(1, MOST_RUNS + 1)
        },
        **document_series(sr_offset=0, pdf_offset=1),
    }
)


def _rgb(label: int) -> tuple[int, int, int]:
    """Colours that differ most between neighbouring numbers: hues by the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb(label * 0.618 % 1.0, 0.75, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


SEGMENTS = tuple(
    Segment(label, segment.display_name, SEGMENT_CODES[segment], _rgb(label))
    for segment, label in CORONARY_LABELS.items()
)
SEGMENT_RGB: Mapping[CoronarySegment, tuple[int, int, int]] = MappingProxyType(
    {segment: _rgb(label) for segment, label in CORONARY_LABELS.items()}
)


def document(analysis: CoronaryAnalysis) -> DocumentPlan:
    """Content of the measurement document: a group for each lesion."""
    lesions = tuple(
        SiteGroup(
            lesion_title(found),
            SEGMENT_CODES[found.lesion.segment],
            tuple(f"lesion_{found.number}_{what}" for what in LESION_NUMBERS),
        )
        for found in analysis.lesions
    )
    return DocumentPlan(
        procedure=CORONARY_ANGIOGRAPHY,
        modality=X_RAY_ANGIOGRAPHY,
        evidence=tuple(seg_kind(number) for number in range(1, len(analysis.runs) + 1)),
        sites=(SiteGroup("Coronary arteries", CORONARY_ARTERY, ("max_stenosis",)), *lesions),
        remarks=(METHOD, *analysis.remarks),
    )


def lesion_title(found: NumberedLesion) -> str:
    """A lesion in words: number, segment, grade, view and frame."""
    run, lesion = found.run, found.lesion
    return (
        f"Lesion {found.number}: {lesion.segment.display_name} (SYNTAX {lesion.segment.number}), "
        f"{lesion.grade}, {run.source.name}, frame {run.frame + 1}"
    )


def drawn(analysis: CoronaryAnalysis) -> tuple[DrawnSegments, ...]:
    """The segments in the measured frame of every run."""
    return tuple(_drawn(number, run) for number, run in enumerate(analysis.runs, start=1))


def _drawn(number: int, run: MeasuredRun) -> DrawnSegments:
    return DrawnSegments(
        kind=seg_kind(number),
        name=f"run {number}",
        labels=run.labels[None, None],
        segments=SEGMENTS,
        planes=((run.image,),),
        phases=range(1),
    )
