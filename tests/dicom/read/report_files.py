"""Structured reports as echo machines and others write them, after TID 5200, 5300 and 1500 (PS3.16)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, generate_uid

from cvai.dicom.read.reports.documents import SIMPLIFIED_ADULT_ECHO

Coded = tuple[str, str, str]
"""Value, scheme and meaning."""

LEFT_VENTRICLE: Coded = ("T-32600", "SRT", "Left Ventricle")
RIGHT_VENTRICLE: Coded = ("T-32500", "SRT", "Right Ventricle")
OUTFLOW_TRACT: Coded = ("T-32650", "SRT", "Left Ventricle Outflow Tract")
FINDING_SITE: Coded = ("G-C0E3", "SRT", "Finding Site")
METHOD: Coded = ("G-C036", "SRT", "Measurement Method")
MODE: Coded = ("G-0373", "SRT", "Image Mode")
TWO_D: Coded = ("G-03A2", "SRT", "2D mode")
PHASE: Coded = ("R-4089A", "SRT", "Cardiac Cycle Point")
END_DIASTOLE: Coded = ("F-32011", "SRT", "End Diastole")
END_SYSTOLE: Coded = ("416430001", "SCT", "End Systole")
VIEW: Coded = ("111031", "DCM", "Image View")
FOUR_CHAMBER: Coded = ("G-A19C", "SRT", "Apical four chamber")
BIPLANE: Coded = ("125207", "DCM", "Method of Disks, Biplane")
SINGLE_PLANE: Coded = ("125208", "DCM", "Method of Disks, Single Plane")
TEICHHOLZ: Coded = ("125209", "DCM", "Teichholz")
DERIVATION: Coded = ("121401", "DCM", "Derivation")
MEAN: Coded = ("R-00317", "SRT", "Mean")
SELECTION: Coded = ("121404", "DCM", "Selection Status")
CHOSEN: Coded = ("121410", "DCM", "User chosen value")
MEAN_CHOSEN: Coded = ("121412", "DCM", "Mean value chosen")

LV_EF: Coded = ("18043-0", "LN", "Left Ventricular Ejection Fraction")
LV_EDV: Coded = ("18026-5", "LN", "Left Ventricular End Diastolic Volume")
LV_ESV: Coded = ("18148-7", "LN", "Left Ventricular End Systolic Volume")
LV_INTERNAL_ED: Coded = ("29436-3", "LN", "Left Ventricle Internal End Diastolic Dimension")
STROKE_VOLUME: Coded = ("F-32120", "SRT", "Stroke Volume")
EF_BIPLANE: Coded = ("79991-6", "LN", "Left ventricular ejection fraction biplane (MOD)")
EDV_BIPLANE: Coded = ("79996-5", "LN", "Left ventricular end diastolic volume biplane (MOD)")
EF_MR: Coded = ("8811-2", "LN", "Left ventricular ejection fraction by MR")

PERCENT: Coded = ("%", "UCUM", "percent")
ML: Coded = ("ml", "UCUM", "milliliter")
CM: Coded = ("cm", "UCUM", "centimeter")
KG: Coded = ("kg", "UCUM", "kilogram")
MMHG: Coded = ("mm[Hg]", "UCUM", "millimeter of mercury")


def coded(code: Coded) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def item(relationship: str, value_type: str, name: Coded, children: Iterable[Dataset] = ()) -> Dataset:
    made = Dataset()
    if relationship:
        made.RelationshipType = relationship
    made.ValueType = value_type
    made.ConceptNameCodeSequence = [coded(name)]
    if children := list(children):
        made.ContentSequence = children
    return made


def code(relationship: str, name: Coded, value: Coded) -> Dataset:
    made = item(relationship, "CODE", name)
    made.ConceptCodeSequence = [coded(value)]
    return made


def modifier(name: Coded, value: Coded) -> Dataset:
    return code("HAS CONCEPT MOD", name, value)


def text(relationship: str, name: Coded, value: str) -> Dataset:
    made = item(relationship, "TEXT", name)
    made.TextValue = value
    return made


def reference(relationship: str, name: Coded, instance: str) -> Dataset:
    made = item(relationship, "UIDREF", name)
    made.UID = instance
    return made


def number(name: Coded, value: float | str, unit: Coded | None, *children: Dataset) -> Dataset:
    made = item("CONTAINS", "NUM", name, children)
    measured = Dataset()
    measured.NumericValue = str(value)
    measured.MeasurementUnitsCodeSequence = [] if unit is None else [coded(unit)]
    made.MeasuredValueSequence = [measured]
    return made


def container(name: Coded, *children: Dataset) -> Dataset:
    made = item("CONTAINS", "CONTAINER", name, children)
    made.ContinuityOfContent = "SEPARATE"
    return made


def section(site: Coded, *numbers: Dataset, mode: Coded = TWO_D) -> Dataset:
    """TID 5202: findings of one site, in one measurement group."""
    group = container(("125007", "DCM", "Measurement Group"), code("HAS ACQ CONTEXT", MODE, mode), *numbers)
    return container(("121070", "DCM", "Findings"), modifier(FINDING_SITE, site), group)


def characteristics(
    height_cm: float | None = 165,
    weight_kg: float | None = 62,
    pressure: tuple[float, float] | None = (128, 76),
) -> Dataset:
    """TID 5201: who was examined."""
    stated = []
    if height_cm is not None:
        stated.append(number(("8302-2", "LN", "Patient Height"), height_cm, CM))
    if weight_kg is not None:
        stated.append(number(("29463-7", "LN", "Patient Weight"), weight_kg, KG))
    if pressure is not None:
        stated.append(number(("F-008EC", "SRT", "Systolic Blood Pressure"), pressure[0], MMHG))
        stated.append(number(("F-008ED", "SRT", "Diastolic Blood Pressure"), pressure[1], MMHG))
    return container(("121118", "DCM", "Patient Characteristics"), *stated)


def observers() -> list[Dataset]:
    """TID 1001: a person and a device."""
    kind = ("121005", "DCM", "Observer Type")
    return [
        modifier(("121049", "DCM", "Language of Content Item and Descendants"), ("en", "RFC5646", "English")),
        code("HAS OBS CONTEXT", kind, ("121006", "DCM", "Person")),
        code("HAS OBS CONTEXT", kind, ("121007", "DCM", "Device")),
        code("HAS OBS CONTEXT", ("121024", "DCM", "Subject Class"), ("121025", "DCM", "Patient")),
    ]


def report(like: Dataset, title: Coded, *content: Dataset, **attributes: object) -> Dataset:
    """A report about the study of an image; attributes replace those of the header."""
    made = item("", "CONTAINER", title, [*observers(), *content])
    made.SOPClassUID = ComprehensiveSRStorage
    made.SOPInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
        made[keyword] = like[keyword]
    made.SpecificCharacterSet = "ISO_IR 192"
    made.Modality, made.SeriesNumber, made.InstanceNumber = "SR", 77, 1
    made.Manufacturer, made.ManufacturerModelName = "Echo Works", "Model 95"
    made.ContentDate, made.ContentTime = "20260101", "120000"
    made.CompletionFlag, made.VerificationFlag = "PARTIAL", "UNVERIFIED"
    made.ContinuityOfContent = "SEPARATE"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def tid_5200(like: Dataset, *content: Dataset, **attributes: object) -> Dataset:
    return report(like, ("125200", "DCM", "Adult Echocardiography Procedure Report"), *content, **attributes)


def tid_5300(like: Dataset, *numbers: Dataset, **attributes: object) -> Dataset:
    """Pre-coordinated measurements of a simplified adult echo report."""
    measured = container(("125301", "DCM", "Pre-coordinated Measurements"), *numbers)
    title = ("125200", "DCM", "Adult Echocardiography Procedure Report")
    return report(like, title, measured, **{"SOPClassUID": SIMPLIFIED_ADULT_ECHO, **attributes})


def tid_1500(like: Dataset, *group: Dataset, **attributes: object) -> Dataset:
    """One measurement group of a measurement report."""
    measured = container(
        ("126010", "DCM", "Imaging Measurements"), container(("125007", "DCM", "Measurement Group"), *group)
    )
    return report(like, ("126000", "DCM", "Imaging Measurement Report"), measured, **attributes)


def write_report(folder: Path, made: Dataset) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / f"{made.SOPInstanceUID}.dcm"
    made.save_as(path, enforce_file_format=True)
    return path
