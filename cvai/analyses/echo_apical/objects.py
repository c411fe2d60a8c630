"""The DICOM objects of an ultrasound study: a segmentation for each view, document and report."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from cvai.analyses.echo_apical.analysis import EchoAnalysis, MeasuredLoop
from cvai.analyses.echo_apical.codes import ECHOCARDIOGRAPHY, IMAGE_VIEW, ULTRASOUND, VIEW_CODES, VIEW_NAMES
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
from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.echo.views import EchoView
from cvai.domain.message import say

FIRST_SERIES_NUMBER = 9001
ATRIUM = say(
    "Left atrium: closed by a straight line at the mitral annulus, largest at the end of ventricular "
    "systole. Appendage and pulmonary veins cannot be told from it."
)
STRAIN = say(
    "Strain: length of the border in every frame over that at end-diastole, from contours; not speckle "
    "tracking, whose normal values do not apply."
)


class LoopKind(StrEnum):
    """Segmentation objects of loops; the value is their ``kind`` in result.json."""

    A4C = "seg_a4c"
    A2C = "seg_a2c"


LOOP_KINDS: Mapping[EchoView, LoopKind] = MappingProxyType(
    {EchoView.APICAL_4_CHAMBER: LoopKind.A4C, EchoView.APICAL_2_CHAMBER: LoopKind.A2C}
)

SERIES: Mapping[str, SeriesPlan] = MappingProxyType(
    {
        LoopKind.A4C: segmentation_series("apical 4-chamber segmentation", 5, "seg_a4c.dcm"),
        LoopKind.A2C: segmentation_series("apical 2-chamber segmentation", 6, "seg_a2c.dcm"),
        **document_series(sr_offset=3, pdf_offset=4),
    }
)

SEGMENTS = segments_of(ECHO_LABELS)
_SITES = (
    SiteGroup(
        "Left ventricular function", codes.LEFT_VENTRICLE, ("lv_ef", "lv_ef_own_length", "lv_edv", "lv_esv")
    ),
    SiteGroup(
        "Left ventricular output", codes.LEFT_VENTRICLE, ("lv_sv", "lv_sv_index", "lv_co", "lv_co_index")
    ),
    SiteGroup(
        "Left atrium",
        codes.LEFT_ATRIUM,
        (
            *(f"la_{name}{per}" for name in ("max", "max_area_length", "min") for per in ("", "_index")),
            "la_ef",
        ),
    ),
    SiteGroup(
        "Longitudinal strain",
        codes.LEFT_VENTRICLE,
        (
            *(f"lv_gls_{layer}{view}" for layer in ("endo", "mid") for view in ("", "_a4c", "_a2c")),
            *("lv_gls_time_a4c", "lv_gls_time_a2c"),
        ),
    ),
    SiteGroup("Heart rate", codes.HEART, ("heart_rate",), of_model=False),
    SiteGroup("Body size", codes.ENTIRE_BODY, ("bsa",), of_model=False),
)
"""Indexed ventricular volumes by discs have codes for two views only and stand in result.json alone."""


def document(analysis: EchoAnalysis) -> DocumentPlan:
    """Content of the measurement document."""
    return DocumentPlan(
        procedure=ECHOCARDIOGRAPHY,
        modality=ULTRASOUND,
        evidence=tuple(LOOP_KINDS[loop.view] for loop in analysis.loops),
        sites=_SITES,
        evaluations=tuple((IMAGE_VIEW, VIEW_CODES[loop.view]) for loop in analysis.loops),
        remarks=(*analysis.remarks, *remarks_of(analysis)),
    )


def remarks_of(analysis: EchoAnalysis) -> list[str]:
    """How left atrium and strain were measured, as far as they were."""
    names = {measurement.name for measurement in analysis.measurements}
    has_strain = any(name.startswith("lv_gls") for name in names)
    return [*([ATRIUM] if "la_ef" in names else []), *([STRAIN] if has_strain else [])]


def drawn(analysis: EchoAnalysis) -> tuple[DrawnSegments, ...]:
    """Every structure in every frame of every loop."""
    return tuple(map(_drawn, analysis.loops))


def _drawn(loop: MeasuredLoop) -> DrawnSegments:
    labels = loop.segmentation.labels[:, None]
    return DrawnSegments(
        kind=LOOP_KINDS[loop.view],
        name=VIEW_NAMES[loop.view],
        labels=labels,
        segments=SEGMENTS,
        planes=tuple((image,) for image in loop.source.images),
        phases=range(len(labels)),
        has_time=True,
    )
