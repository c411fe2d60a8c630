"""The numbers of apical loops as echo reporting systems read them: TID 5200 and TID 5300 (PS3.16).

TID 5200 says view and method in modifiers of a generic code, TID 5300 in the code alone. A row of a template
is written where the text of the standard is known, see docs/reference/conformance.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from highdicom import sr
from pydicom import Dataset
from pydicom.sr.coding import Code

from cvai.analyses.echo_apical.analysis import BIPLANE, EchoAnalysis
from cvai.analyses.echo_apical.codes import IMAGE_VIEW, VIEW_CODES
from cvai.dicom.write import codes
from cvai.dicom.write.codes import MeasurementCoding, Qualifier
from cvai.dicom.write.instance import ResultContext, new_instance
from cvai.dicom.write.objects.encoded import encoded, encoded_item, encoded_sequence, put_sequence
from cvai.dicom.write.objects.number import SHOWN_DECIMALS
from cvai.dicom.write.objects.sr import (
    ECHO_REPORT,
    Supersedes,
    add_document_general,
    disclaimer,
    observer,
)
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.source import encoded_instance_reference
from cvai.domain.echo.views import EchoView
from cvai.domain.measurement import Measurement

_TITLE = Code(ECHO_REPORT, "DCM", "Adult Echocardiography Procedure Report")
_FINDINGS = Code("59776-5", "LN", "Findings")
_GROUP = Code("125007", "DCM", "Measurement Group")
_SITE = Code("363698007", "SCT", "Finding Site")
_METHOD = Code("370129005", "SCT", "Measurement Method")
_TWO_D: Qualifier = (Code("399264008", "SCT", "Image Mode"), Code("399064001", "SCT", "2D mode"))
_CHARACTERISTICS = Code("121118", "DCM", "Patient Characteristics")
_SURFACE_FORMULA = Code("8278-4", "LN", "Body Surface Area Formula")
_PRE_COORDINATED = Code("125301", "DCM", "Pre-coordinated Measurements")
_POST_COORDINATED = Code("125302", "DCM", "Post-coordinated Measurements")
_SHORT_LABEL = Code("125309", "DCM", "Short Label")
_BIPLANE_DISCS = Code("125207", "DCM", "Method of Disks, Biplane")

_VENTRICLE = (
    *("lv_edv", "lv_esv", "lv_ef", "lv_sv", "lv_sv_index", "lv_co", "lv_co_index", "heart_rate"),
    *(f"lv_gls_{layer}{view}" for layer in ("endo", "mid") for view in ("", "_a4c", "_a2c")),
    *("lv_gls_time_a4c", "lv_gls_time_a2c"),
)
_ATRIUM = ("la_max", "la_max_area_length", "la_min")
"""Measurements of each section. Left out is what only a modifier or its section would tell from another one,
which receivers may ignore: volumes by body surface, the ejection fraction by each phase's own length, and the
emptying fraction of the atrium, whose code is that of an ejection fraction."""


def _generic(discs: Code, area_length: Code) -> Mapping[str, MeasurementCoding]:
    """Codes of CID 12202, 12205 and 12239 with a method of CID 12227."""

    def ventricle(*name: str) -> MeasurementCoding:
        return MeasurementCoding(Code(*name), codes.LEFT_VENTRICLE, discs)

    def atrium(method: Code) -> MeasurementCoding:
        name = Code("399235004", "SCT", "Left Atrium Systolic Volume")
        return MeasurementCoding(name, codes.LEFT_ATRIUM, method)

    return {
        "lv_edv": ventricle("18026-5", "LN", "Left Ventricular End Diastolic Volume"),
        "lv_esv": ventricle("18148-7", "LN", "Left Ventricular End Systolic Volume"),
        "lv_ef": ventricle("18043-0", "LN", "Left Ventricular Ejection Fraction by US"),
        "lv_sv": ventricle("90096001", "SCT", "Stroke Volume"),
        "lv_sv_index": ventricle("277381004", "SCT", "Stroke Index"),
        "lv_co": ventricle("82799009", "SCT", "Cardiac Output"),
        "lv_co_index": ventricle("54993008", "SCT", "Cardiac Index"),
        "la_max": atrium(discs),
        "la_max_area_length": atrium(area_length),
    }


_SINGLE_PLANE = _generic(
    Code("125208", "DCM", "Method of Disks, Single Plane"), Code("125205", "DCM", "Area-Length Single Plane")
)
_GENERIC: Mapping[str, Mapping[str, MeasurementCoding]] = MappingProxyType(
    {
        BIPLANE: _generic(_BIPLANE_DISCS, Code("125204", "DCM", "Area-Length Biplane")),
        **{view.value: _SINGLE_PLANE for view in EchoView if view in VIEW_CODES},
    }
)


_CORE_DISCS = (
    ("lv_ef", "Left ventricular ejection fraction", "LV EF"),
    ("lv_edv", "Left ventricular end diastolic volume", "LV EDV"),
    ("lv_esv", "Left ventricular end systolic volume", "LV ESV"),
    ("la_max", "Left atrial end systolic volume", "LA ESV"),
)


def _core(view: str, discs: str, *values: str) -> dict[str, tuple[Code, str]]:
    """Code and short label of CID 12300 by measurement, of one view; code values as in ``_CORE_DISCS``."""
    return {
        name: (Code(value, "LN", f"{what} {view} (MOD)"), f"{label} ({discs})")
        for value, (name, what, label) in zip(values, _CORE_DISCS, strict=True)
    }


def _biplane(value: str, what: str) -> Code:
    return Code(value, "LN", f"{what} biplane (MOD) / BSA")


_AREA_LENGTH = "Left atrial end systolic volume biplane (area-length)"
_CORE: Mapping[str, Mapping[str, tuple[Code, str]]] = MappingProxyType(
    {
        BIPLANE: {
            **_core("biplane", "MOD", "79991-6", "79996-5", "80001-1", "79983-3"),
            "lv_edv_index": (
                _biplane("79997-3", "Left ventricular end diastolic volume"),
                "LV EDV Index (MOD)",
            ),
            "lv_esv_index": (
                _biplane("80002-9", "Left ventricular end systolic volume"),
                "LV ESV Index (MOD)",
            ),
            "la_max_index": (_biplane("79984-1", "Left atrial end systolic volume"), "LA ESV Index (MOD)"),
            "la_max_area_length": (Code("79981-7", "LN", _AREA_LENGTH), "LA ESV (A-L)"),
            "la_max_area_length_index": (
                Code("79982-5", "LN", f"{_AREA_LENGTH} / BSA"),
                "LA ESV Index (A-L)",
            ),
        },
        EchoView.APICAL_4_CHAMBER.value: _core(
            "single plane 4C", "MOD 4C", "79993-2", "79999-9", "80004-5", "79986-6"
        ),
        EchoView.APICAL_2_CHAMBER.value: _core(
            "single plane 2C", "MOD 2C", "79992-4", "79998-1", "80003-7", "79985-8"
        ),
    }
)
_CORE_STRAIN: Mapping[str, str] = MappingProxyType(
    {"lv_gls_endo": "GLS", "lv_gls_endo_a4c": "GLS (4C)", "lv_gls_endo_a2c": "GLS (2C)"}
)
"""Short labels of what CID 12300 takes over from CID 12309, whose codes TID 1500 has too."""

_STROKE: Mapping[str, tuple[Code, str, tuple[Qualifier, ...]]] = MappingProxyType(
    {
        "lv_sv": (
            Code("90096001", "SCT", "Stroke Volume"),
            "LV SV (MOD)",
            ((Code("125306", "DCM", "Measurement Type"), Code("125315", "DCM", "Calculated")),),
        ),
        "lv_sv_index": (
            Code("277381004", "SCT", "Stroke Index"),
            "LV SI (MOD)",
            (
                (Code("125306", "DCM", "Measurement Type"), Code("125313", "DCM", "Indexed")),
                (Code("125308", "DCM", "Measurement Divisor"), codes.BODY_SURFACE_AREA),
            ),
        ),
    }
)
"""What CID 12300 has no code for by discs in two views, said as in the example of PS3.17 section CCCC.5."""

_OF_STROKE: tuple[Qualifier, ...] = (
    (_SITE, codes.LEFT_VENTRICLE),
    (
        Code("125305", "DCM", "Finding Observation Type"),
        Code("44324008", "SCT", "Hemodynamic Measurements"),
    ),
    (Code("125307", "DCM", "Measured Property"), Code("90096001", "SCT", "Stroke Volume")),
    (_METHOD, _BIPLANE_DISCS),
    _TWO_D,
)


def echo_report(context: ResultContext[EchoAnalysis], supersedes: Sequence[Supersedes]) -> Dataset:
    """TID 5200, a Comprehensive SR."""
    analysis = context.analysis
    content = [
        *_characteristics(analysis),
        _image_library(context),
        *_section(analysis, codes.LEFT_VENTRICLE, _VENTRICLE),
        *_section(analysis, codes.LEFT_ATRIUM, _ATRIUM),
        sr.TextContentItem(codes.COMMENT, disclaimer(analysis), _CONTAINS),
    ]
    return _document(context, Extra.ECHO_REPORT, "5200", content, supersedes)


def simple_echo_report(context: ResultContext[EchoAnalysis], supersedes: Sequence[Supersedes]) -> Dataset:
    """TID 5300, a Simplified Adult Echo SR."""
    analysis = context.analysis
    content = [
        _container(name, numbers)
        for name, numbers in (
            (_PRE_COORDINATED, list(_core_numbers(analysis))),
            (_POST_COORDINATED, list(_stroke_numbers(analysis))),
        )
        if numbers
    ]
    document = _document(context, Extra.SIMPLE_ECHO_REPORT, "5300", content, supersedes)
    # The Timezone module is mandatory; dates of results are those of this machine.
    document.TimezoneOffsetFromUTC = context.created.astimezone().strftime("%z")
    return document


_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_MODIFIER = sr.RelationshipTypeValues.HAS_CONCEPT_MOD


def _document(
    context: ResultContext[EchoAnalysis],
    kind: Extra,
    template: str,
    content: Iterable[sr.ContentItem],
    supersedes: Sequence[Supersedes],
) -> Dataset:
    document = new_instance(context, kind)
    add_document_general(document, context, context.all_sources, supersedes, ECHO_REPORT)
    root = sr.ContainerContentItem(_TITLE, is_content_continuous=False, template_id=template)
    root.ContentSequence = sr.ContentSequence(
        [*sr.LanguageOfContentItemAndDescendants(codes.ENGLISH), *observer(context), *content], is_root=False
    )
    for element in root:
        document.add(element)
    return document


def _container(name: Code, items: Iterable[sr.ContentItem]) -> sr.ContainerContentItem:
    container = sr.ContainerContentItem(name, is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = sr.ContentSequence(list(items))
    return container


def _modifier(qualifier: Qualifier) -> sr.CodeContentItem:
    """Of a container or a number; a view is context of its acquisition."""
    name, value = qualifier
    is_view = name == IMAGE_VIEW
    return sr.CodeContentItem(
        name, value, sr.RelationshipTypeValues.HAS_ACQ_CONTEXT if is_view else _MODIFIER
    )


def _image_library(context: ResultContext[EchoAnalysis]) -> sr.ContainerContentItem:
    """Row 7 of TID 5200: every loop, without a purpose of reference."""
    library = sr.ContainerContentItem(
        codes.IMAGE_LIBRARY, is_content_continuous=False, relationship_type=_CONTAINS
    )
    instances = {source.sop_instance_uid: source.sop_class_uid for source in context.all_sources}
    put_sequence(
        library,
        "ContentSequence",
        (
            encoded_item(
                encoded_sequence(
                    "ReferencedSOPSequence", [encoded_item(encoded_instance_reference(sop_class, uid))]
                ),
                encoded("RelationshipType", "CONTAINS"),
                encoded("ValueType", "IMAGE"),
            )
            for uid, sop_class in instances.items()
        ),
    )
    return library


def _characteristics(analysis: EchoAnalysis) -> list[sr.ContainerContentItem]:
    """Row 6 of TID 5200: the body surface that indices are by, and its formula."""
    surface = analysis.measurement("bsa")
    formula = analysis.coding("bsa").method
    if surface is None or formula is None:
        return []
    number = _number(surface, codes.BODY_SURFACE_AREA)
    number.ContentSequence = sr.ContentSequence(
        [sr.CodeContentItem(_SURFACE_FORMULA, formula, sr.RelationshipTypeValues.INFERRED_FROM)]
    )
    return [_container(_CHARACTERISTICS, [number])]


def _section(analysis: EchoAnalysis, site: Code, names: Iterable[str]) -> list[sr.ContainerContentItem]:
    """TID 5202 with one group; none where nothing of it was measured."""
    found = [m for m in map(analysis.measurement, names) if m is not None]
    if not found:
        return []
    group = _container(_GROUP, [_modifier(_TWO_D), *(_section_number(analysis, m) for m in found)])
    return [_container(_FINDINGS, [_modifier((_SITE, site)), group])]


def _section_number(analysis: EchoAnalysis, measurement: Measurement) -> sr.NumContentItem:
    """TID 5203: TID 300 with method and view."""
    generic = _GENERIC[analysis.view].get(measurement.name)
    coding = generic or analysis.coding(measurement.name)
    qualifiers = list(coding.qualifiers)
    if coding.method is not None:
        qualifiers.insert(0, (_METHOD, coding.method))
    if generic is not None and len(analysis.loops) == 1:
        qualifiers.append((IMAGE_VIEW, VIEW_CODES[analysis.loops[0].view]))
    number = _number(measurement, coding.name)
    if qualifiers:
        number.ContentSequence = sr.ContentSequence(list(map(_modifier, qualifiers)))
    return number


def _core_numbers(analysis: EchoAnalysis) -> Iterable[sr.NumContentItem]:
    """TID 5301: nothing but the code says what it is."""
    strain = {name: (analysis.coding(name).name, label) for name, label in _CORE_STRAIN.items()}
    for name, (code, label) in {**_CORE[analysis.view], **strain}.items():
        if (measurement := analysis.measurement(name)) is not None:
            yield _labelled(_number(measurement, code), label)


def _stroke_numbers(analysis: EchoAnalysis) -> Iterable[sr.NumContentItem]:
    """TID 5302."""
    for name, (code, label, qualifiers) in _STROKE.items():
        measurement = analysis.measurement(name)
        if measurement is not None and analysis.view == BIPLANE:
            kind, *divisor = qualifiers
            yield _labelled(_number(measurement, code), label, (kind, *_OF_STROKE, *divisor))


def _labelled(
    number: sr.NumContentItem, label: str, qualifiers: Iterable[Qualifier] = ()
) -> sr.NumContentItem:
    text = sr.TextContentItem(_SHORT_LABEL, label, sr.RelationshipTypeValues.HAS_PROPERTIES)
    number.ContentSequence = sr.ContentSequence([*map(_modifier, qualifiers), text])
    return number


def _number(measurement: Measurement, name: Code) -> sr.NumContentItem:
    unit = codes.UNITS[measurement.unit]
    number = sr.NumContentItem(name, round(measurement.value, SHOWN_DECIMALS), unit, None, _CONTAINS)
    number.MeasuredValueSequence[0].FloatingPointValue = measurement.value
    return number


ECHO_REPORTS: Mapping[Extra, Callable[[ResultContext[EchoAnalysis], Sequence[Supersedes]], Dataset]] = (
    MappingProxyType({Extra.ECHO_REPORT: echo_report, Extra.SIMPLE_ECHO_REPORT: simple_echo_report})
)
