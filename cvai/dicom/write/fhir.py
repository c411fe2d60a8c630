"""The measurements for the health record: a FHIR R4 transaction of a DiagnosticReport and its Observations.

The resources are named by identifiers that follow from source images and model, so that a server that is
given the same again has it already: what the model found is created where there is none (``ifNoneExist``) and
never overwrites; what a reader has signed takes the place of what the model found (conditional update).

That a model made them is said as HL7's ballot "AI Transparency on FHIR" 1.0.0 has it: a security label of
each, the type of the Device, and a Provenance. A Provenance has no identifier in R4; a tag stands for one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydicom.sr.coding import Code
from pydicom.uid import UID

from cvai.dicom.read.header.names import readable_name
from cvai.dicom.read.header.text import stated_text
from cvai.dicom.read.patient import MANUFACTURER
from cvai.dicom.write import codes
from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.codes import BODY_SURFACE_AREA, MeasurementCoding
from cvai.dicom.write.entered import ENTERED_CODINGS, entered_by
from cvai.dicom.write.impression import impression_origin
from cvai.dicom.write.instance import NOT_FOR_CLINICAL_USE, ResultContext
from cvai.dicom.write.objects.number import SHOWN_DECIMALS
from cvai.dicom.write.report.bounds import interval_note
from cvai.dicom.write.source import checked_value, header_uid
from cvai.dicom.write.uids import RESULTS_VERSION, derived_uid
from cvai.domain.measurement import Measurement, Normality, RangeSource

Json = dict[str, Any]

SYSTEMS: Mapping[str, str] = MappingProxyType(
    {
        "LN": "http://loinc.org",
        "SCT": "http://snomed.info/sct",
        "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    }
)
"""Code systems by their name in DICOM (PS3.16 chapter 8)."""

UCUM = "http://unitsofmeasure.org"
URI = "urn:ietf:rfc:3986"
"""System of an identifier that is a URI."""

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
CATEGORIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "MR": ("NMR", "Nuclear Magnetic Resonance"),
        "US": ("CUS", "Cardiac Ultrasound"),
        "XA": ("RX", "Radiograph"),
    }
)
"""Diagnostic service section (v2-0074) by Modality."""

INTERPRETATIONS: Mapping[Normality, tuple[str, str]] = MappingProxyType(
    {Normality.LOW: ("L", "Low"), Normality.NORMAL: ("N", "Normal"), Normality.HIGH: ("H", "High")}
)
AI_ASSERTED = {
    "system": f"{TERMINOLOGY}/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
AI_DEVICE = (
    "http://hl7.org/fhir/uv/aitransparency/CodeSystem/AIdeviceTypeCS",
    "Artificial-Intelligence",
    "All kinds of Artificial Intelligence",
)
UNCERTAINTY_RANGE = Code("371884006", "SCT", "+/-, range of measurement uncertainty")


def fhir_bundle(context: ResultContext[AnyAnalysed]) -> str:
    """The transaction as JSON, checked against the definition of every resource in it.

    Raises:
        pydantic.ValidationError: a defect of this module: what it made is not FHIR.
    """
    from fhir.resources.R4B.bundle import Bundle  # two seconds that only those who write results wait

    device = _device(context)
    analysis = context.analysis
    observations = [_observation(context, m, analysis.coding(m.name), device) for m in analysis.measurements]
    observations += _entered(context)
    report = _report(context, observations)
    resources = [device, *observations, report, _provenance(context, device, [report, *observations])]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [_entry(resource, replaces=_is_signed(context)) for resource in resources],
    }
    return str(Bundle.model_validate(bundle).model_dump_json(indent=1))


def _is_signed(context: ResultContext[AnyAnalysed]) -> bool:
    return context.analysis.verification is not None


def _named(context: ResultContext[AnyAnalysed], name: str) -> UID:
    """Names a resource: the same for what the model found and for what was signed about it."""
    uids = context.uids
    apart = [uids.content] if uids.content else []
    return derived_uid(RESULTS_VERSION, uids.sources, uids.model_sha256, *apart, "fhir", name)


def _identifier(uid: UID) -> Json:
    return {"system": URI, "value": f"urn:oid:{uid}"}


def _uuid_url(uid: UID) -> str:
    """How resources of one bundle refer to each other: a derived UID is a UUID (PS3.5 section B.2)."""
    return uuid.UUID(int=int(uid.removeprefix("2.25."))).urn


def _entry(resource: Json, replaces: bool) -> Json:
    """A resource with what the server is to do; what a reader signs replaces no device and no origin."""
    kind = resource["resourceType"]
    condition = f"{'_tag' if kind == 'Provenance' else 'identifier'}={URI}|urn:oid:{_uid_of(resource)}"
    request = (
        {"method": "PUT", "url": f"{kind}?{condition}"}
        if replaces and kind not in ("Device", "Provenance")
        else {"method": "POST", "url": kind, "ifNoneExist": condition}
    )
    return {"fullUrl": _uuid_url(_uid_of(resource)), "resource": resource, "request": request}


def _device(context: ResultContext[AnyAnalysed]) -> Json:
    """What measured: this version of cvai, with this model where one had a part in it."""
    model, version = context.analysis.model, context.analysis.cvai_version
    return {
        "resourceType": "Device",
        "identifier": [_identifier(derived_uid("fhir device", model.sha256, version))],
        "manufacturer": MANUFACTURER,
        "serialNumber": model.sha256,
        **({} if model.is_hand else {"type": _concept_of(*AI_DEVICE)}),
        "deviceName": [{"name": f"cvai {model.name}", "type": "model-name"}],
        "version": [{"value": f"cvai {version}, {model.name} {model.version}"}],
        **({} if model.convention_sentence is None else {"note": _notes(model.convention_sentence)}),
    }


def _shared(context: ResultContext[AnyAnalysed]) -> Json:
    """What report and observations have in common: mark of AI, status, whom they are about, and when."""
    date = checked_value(context.first_header, "StudyDate")
    effective = {} if date is None else {"effectiveDateTime": f"{date[:4]}-{date[4:6]}-{date[6:8]}"}
    status = "final" if _is_signed(context) else "preliminary"
    marked = {"meta": marks} if (marks := _marks(context)) else {}
    return {**marked, "status": status, **effective, **_subject(context)}


def _marks(context: ResultContext[AnyAnalysed]) -> Json:
    """That a model had a part in it; of what a reader drew without one, nothing."""
    return {} if context.analysis.model.is_hand else {"security": [AI_ASSERTED]}


def _subject(context: ResultContext[AnyAnalysed]) -> Json:
    """The patient as the images name them: an identifier, which the server knows how to resolve."""
    patient = context.analysis.patient
    if not patient.patient_id:
        return {}
    system = {"system": f"urn:oid:{patient.issuer_uid}"} if patient.issuer_uid_type == "ISO" else {}
    assigner = {"assigner": {"display": patient.issuer}} if patient.issuer else {}
    return {"subject": {"type": "Patient", "identifier": {**system, "value": patient.patient_id, **assigner}}}


def _report(context: ResultContext[AnyAnalysed], observations: Iterable[Json]) -> Json:
    modality = str(context.first_header.get("Modality") or "")
    category = (
        [_concept_of(f"{TERMINOLOGY}/v2-0074", *CATEGORIES[modality])] if modality in CATEGORIES else None
    )
    report = {
        "resourceType": "DiagnosticReport",
        "identifier": [_identifier(_named(context, "report"))],
        **_shared(context),
        "category": category,
        "code": _concept(codes.DIAGNOSTIC_IMAGING_REPORT),
        "issued": context.created.astimezone().isoformat(timespec="seconds"),
        "imagingStudy": [_imaging_study(context)],
        "basedOn": _order(context),
        "resultsInterpreter": _reader(context),
        "result": [{"reference": _uuid_url(_uid_of(o)), "display": o["code"]["text"]} for o in observations],
        "conclusion": _conclusion(context),
    }
    return {name: value for name, value in report.items() if value is not None}


def _conclusion(context: ResultContext[AnyAnalysed]) -> str:
    """The reader's impression with where it is from, and what makes the numbers doubtful."""
    impression = context.analysis.impression
    stated = () if impression is None else (*impression.lines, f"({impression_origin(impression)})")
    return " ".join([f"{NOT_FOR_CLINICAL_USE}.", *stated, *(f.message for f in context.analysis.findings)])


def _provenance(context: ResultContext[AnyAnalysed], device: Json, targets: Iterable[Json]) -> Json:
    """Which model made report and observations from which study, and who has verified them."""
    verification = context.analysis.verification
    by_model = ("model",) if verification is None else ("signed", verification.digest)
    made = {"type": _participant("assembler", "Assembler"), "who": {"reference": _uuid_url(_uid_of(device))}}
    readers = [
        {"type": _participant("verifier", "Verifier"), "who": reader} for reader in _reader(context) or ()
    ]
    tag = _identifier(_named(context, "/".join(("provenance", *by_model))))
    return {
        "resourceType": "Provenance",
        "meta": {**_marks(context), "tag": [{"system": tag["system"], "code": tag["value"]}]},
        "target": [{"reference": _uuid_url(_uid_of(target))} for target in targets],
        "recorded": context.created.astimezone().isoformat(timespec="seconds"),
        "agent": [made, *readers],
        "entity": [{"role": "source", "what": _imaging_study(context)}],
    }


def _participant(code: str, display: str) -> Json:
    return _concept_of(f"{TERMINOLOGY}/provenance-participant-type", code, display)


def _uid_of(resource: Json) -> UID:
    """What names a resource."""
    if resource["resourceType"] == "Provenance":
        return UID(resource["meta"]["tag"][0]["code"].removeprefix("urn:oid:"))
    return UID(resource["identifier"][0]["value"].removeprefix("urn:oid:"))


def _imaging_study(context: ResultContext[AnyAnalysed]) -> Json:
    """The study by its UID, as FHIR's ImagingStudy writes it."""
    study_uid = header_uid(context.first_header, "StudyInstanceUID")
    return {
        "type": "ImagingStudy",
        "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{study_uid}"},
    }


def _order(context: ResultContext[AnyAnalysed]) -> list[Json] | None:
    accession_number = stated_text(context.first_header, "AccessionNumber").strip()
    if not accession_number:
        return None
    kind = _concept_of(f"{TERMINOLOGY}/v2-0203", "ACSN", "Accession ID")
    return [{"type": "ServiceRequest", "identifier": {"type": kind, "value": accession_number}}]


def _reader(context: ResultContext[AnyAnalysed]) -> list[Json] | None:
    verification = context.analysis.verification
    if verification is None:
        return None
    return [{"display": f"{readable_name(verification.name)}, {verification.organization}"}]


def _observation(
    context: ResultContext[AnyAnalysed], measurement: Measurement, coding: MeasurementCoding, device: Json
) -> Json:
    observation = {
        "resourceType": "Observation",
        "identifier": [_identifier(_named(context, measurement.name))],
        **_shared(context),
        "category": [_concept_of(f"{TERMINOLOGY}/observation-category", "imaging", "Imaging")],
        "code": _measured(coding),
        **_value(measurement, coding),
        "interpretation": _interpretation(measurement),
        "bodySite": _concept(coding.site),
        "method": None if coding.method is None else _concept(coding.method),
        "device": {"reference": _uuid_url(_uid_of(device))},
        "note": _notes(*qualifier_texts(coding), interval_note([measurement])),
        "referenceRange": _reference_range(measurement),
        "component": _interval(measurement),
    }
    return {name: value for name, value in observation.items() if value is not None}


def _notes(*texts: str) -> list[Json] | None:
    return [{"text": str(text)} for text in texts if text] or None


def _value(measurement: Measurement, coding: MeasurementCoding) -> Json:
    """A quantity; of a score what it stands for."""
    if coding.grades:
        return {"valueCodeableConcept": _concept(coding.grades[measurement.value])}
    return {"valueQuantity": _quantity(measurement.value, measurement.unit)}


def _entered(context: ResultContext[AnyAnalysed]) -> list[Json]:
    """What a reader has entered by hand: no model asserts it, and the reader is its performer."""
    entered = context.analysis.subject.entered
    if entered is None:
        return []
    shared = {name: value for name, value in _shared(context).items() if name != "meta"}
    return [
        {
            "resourceType": "Observation",
            "identifier": [_identifier(_named(context, f"entered/{name}"))],
            **shared,
            "category": [
                _concept_of(f"{TERMINOLOGY}/observation-category", "vital-signs", "Vital Signs")
                if name != "haematocrit_percent"
                else _concept_of(f"{TERMINOLOGY}/observation-category", "laboratory", "Laboratory")
            ],
            "code": _concept(ENTERED_CODINGS[name].code),
            "performer": [{"display": readable_name(entered.by)}],
            "valueQuantity": _quantity(value, ENTERED_CODINGS[name].unit.value),
            "note": [{"text": f"{entered_by(entered)}."}],
        }
        for name, value in entered.values.items()
    ]


def _measured(coding: MeasurementCoding) -> Json:
    """What was measured; an index has no code of its own, and its volume's code would be a wrong one."""
    if coding.is_index:
        return {"text": coding.meaning}
    return {**_concept(coding.name), "text": coding.meaning}


def qualifier_texts(coding: MeasurementCoding) -> list[str]:
    """What qualifies the coded name."""
    return [value.meaning for _, value in coding.qualifiers if value != BODY_SURFACE_AREA]


def _quantity(value: float, unit: str) -> Json:
    return {"value": round(value, SHOWN_DECIMALS), "unit": unit, "system": UCUM, "code": unit}


def _interpretation(measurement: Measurement) -> list[Json] | None:
    if measurement.normality is None:
        return None
    return [
        _concept_of(f"{TERMINOLOGY}/v3-ObservationInterpretation", *INTERPRETATIONS[measurement.normality])
    ]


def _reference_range(measurement: Measurement) -> list[Json] | None:
    if measurement.normal is None:
        return None
    low, high = (_quantity(limit, measurement.unit) for limit in measurement.normal)
    text = {} if measurement.normal_source is None else {"text": range_text(measurement.normal_source)}
    kind = _concept_of(f"{TERMINOLOGY}/referencerange-meaning", "normal", "Normal Range")
    return [{"low": low, "high": high, "type": kind, **text}]


def range_text(source: RangeSource) -> str:
    """Whom a normal range describes, and who says so."""
    words = (f"{source.population}.", source.caveat, f"{source.citation}, {source.table}, doi:{source.doi}")
    return " ".join(filter(None, words))


def _interval(measurement: Measurement) -> list[Json] | None:
    """The bounds that hold the truth, as a component beside the value."""
    if measurement.interval is None:
        return None
    low, high = (_quantity(bound, measurement.unit) for bound in measurement.interval)
    return [{"code": _concept(UNCERTAINTY_RANGE), "valueRange": {"low": low, "high": high}}]


def _concept(code: Code) -> Json:
    """DICOM's meaning of a code is not always the display its own system gives, so it stands as text."""
    return {"coding": [{"system": SYSTEMS[code.scheme_designator], "code": code.value}], "text": code.meaning}


def _concept_of(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}]}
