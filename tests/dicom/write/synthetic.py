"""A made-up analysis that is anisotropic and asymmetric on every axis, with its source headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.objects import SERIES, drawn
from cvai.analyses.registry import analysis_of as spec_of
from cvai.dicom.read.patient import one_patient, stated_patients
from cvai.dicom.read.values import AssembledCine, Excluded, ImagePlane
from cvai.dicom.write.analysis import Analysed, AnyAnalysed
from cvai.dicom.write.codes import CardiacPhase
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.objects.seg import segmentation
from cvai.dicom.write.result_json import Status, StudyStatement, analysed_record, study_record
from cvai.dicom.write.write import WrittenObject, write_objects, write_record
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.body import with_body_size
from cvai.domain.cine import CineStack
from cvai.domain.findings import Finding, Severity
from cvai.domain.function import measure_sax
from cvai.domain.geometry import StackGeometry
from cvai.domain.normals import with_normal_ranges
from cvai.domain.phases import key_phases
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.domain.subject import Subject
from cvai.domain.ventricles.wall_thickness import measure_wall
from cvai.domain.volumes import volume_curves_ml
from cvai.pipeline import object_entry

UID_ROOT = "1.2.826.0.1.3680043.10.999"
HEART_RATE_BPM = 64.0
FULLY_KNOWN = Subject("F", 63, height_m=1.65, weight_kg=62.0)
CREATED = datetime(2024, 3, 1, 12, 30, 15)
MODEL = ModelIdentity("sax", "1.2.0", "ab" * 32, "CPUExecutionProvider", "as here: smooth endocardium")

FILE_NAMES = {kind: plan.file_name for kind, plan in SERIES.items()}
CINE_KINDS = tuple(SERIES)
"""What is written of a short-axis analysis."""


def context_of(analysis: AnyAnalysed, taken_series_numbers: Iterable[int] = ()) -> ResultContext[AnyAnalysed]:
    plan = spec_of(analysis.kind).results
    return ResultContext.of(analysis, plan, CREATED, taken_series_numbers)


def write_results(analysis: Analysed, folder: Path, **how: Any) -> tuple[WrittenObject, ...]:
    """Objects and result.json of an analysis, as the engine writes them."""
    objects = write_objects(analysis, spec_of(analysis.kind).results, folder, **how)
    record = analysed_record(analysis, [object_entry(o, folder) for o in objects], {})
    statement = StudyStatement(analysis.study_uid, analysis.patient)
    write_record(folder, study_record(statement, Status.ANALYSED, [record]))
    return objects


def cine_segmentation(context: ResultContext[CineAnalysis]) -> Dataset:
    return segmentation(context, drawn(context.analysis)[0])


def phase_segmentation(context: ResultContext[CineAnalysis], phase: CardiacPhase) -> Dataset:
    return segmentation(context, next(d for d in drawn(context.analysis) if d.name == phase))


def oblique_geometry(n_slices: int) -> StackGeometry:
    """Stack that is oblique to every patient axis, with three different spacings."""
    row = np.array([0.712221, 0.701112, -0.0343949])
    row /= np.linalg.norm(row)
    column = np.array([-0.307716, 0.267798, -0.913015])
    column -= (column @ row) * row
    column /= np.linalg.norm(column)
    step_mm = -8.5 * np.cross(row, column)
    positions = np.array([-13.6174, -215.526, 101.428]) + np.arange(n_slices)[:, None] * step_mm
    return StackGeometry(positions, row, column, spacing_y_mm=1.9, spacing_x_mm=1.3)


def beating_labels(n_phases: int, n_slices: int, rows: int, columns: int) -> np.ndarray:
    """(t, z, y, x) ventricles that shrink with t and z, off centre, RV on the side of low x."""
    y, x = np.mgrid[0:rows, 0:columns].astype(float)
    labels = np.zeros((n_phases, n_slices, rows, columns), np.uint8)
    unit = min(rows, columns) / 24
    for t in range(n_phases):
        squeeze = 1 - 0.35 * np.sin(np.pi * ((t + 1) % n_phases) / n_phases)
        for z in range(n_slices):
            taper = unit * (1 - 0.6 * z / n_slices)
            cy, cx = rows * 0.45 + z * 0.5, columns * 0.6 + t * 0.2
            distance = np.hypot((y - cy) * 1.2, x - cx)
            right = np.hypot(y - cy - 2 * unit, (x - cx + 9 * unit) * 1.3)
            labels[t, z][right < 6.5 * taper * squeeze] = SAX_LABELS[Structure.RV_CAVITY]
            labels[t, z][distance < 8 * taper] = SAX_LABELS[Structure.LV_MYOCARDIUM]
            labels[t, z][distance < 6 * taper * squeeze] = SAX_LABELS[Structure.LV_CAVITY]
    labels[:, -1][labels[:, -1] == SAX_LABELS[Structure.RV_CAVITY]] = 0
    return labels


def shaded_pixels(labels: np.ndarray) -> np.ndarray:
    """(t, z, y, x) image that goes with the labels: bright blood, dark muscle, a ramp along every axis."""
    grey = np.array([60.0, 320.0, 110.0, 290.0])[labels]
    ramps = np.add.outer(np.linspace(0, 40, labels.shape[2]), np.linspace(0, 25, labels.shape[3]))
    return (grey + ramps).astype(np.float32)


def source_header(geometry: StackGeometry, t: int, z: int, n_slices: int) -> Dataset:
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.SOPClassUID = MRImageStorage
    header.SOPInstanceUID = f"{UID_ROOT}.3.{t * n_slices + z + 1}"
    header.StudyInstanceUID, header.SeriesInstanceUID = f"{UID_ROOT}.1", f"{UID_ROOT}.2"
    header.FrameOfReferenceUID = f"{UID_ROOT}.4"
    header.PositionReferenceIndicator = ""
    header.PatientName, header.PatientID = "Müller^Änne", "P-0042"
    header.PatientBirthDate, header.PatientSex = "19610203", "F"
    header.StudyDate, header.StudyTime, header.StudyID = "20240229", "101112", "S1"
    header.AccessionNumber, header.ReferringPhysicianName = "A77", "Hart^Ada"
    header.Modality, header.SeriesNumber, header.InstanceNumber = "MR", 9003, t * n_slices + z + 1
    header.Rows, header.Columns = 0, 0
    header.PhotometricInterpretation = "MONOCHROME2"
    header.SliceThickness = "8"
    header.PixelSpacing = [geometry.spacing_y_mm, geometry.spacing_x_mm]
    return header


def source_plane(
    geometry: StackGeometry, shape: tuple[int, int, int, int], t: int, z: int, frame_of_one: bool
) -> ImagePlane:
    header = source_header(geometry, t, z, shape[1])
    frame_number = None
    if frame_of_one:
        header.SOPClassUID, header.SOPInstanceUID = EnhancedMRImageStorage, f"{UID_ROOT}.3"
        frame_number = t * shape[1] + z + 1
    return ImagePlane(
        path=Path("none.dcm"),
        sop_class_uid=str(header.SOPClassUID),
        sop_instance_uid=str(header.SOPInstanceUID),
        frame_number=frame_number,
        instance_number=int(header.InstanceNumber),
        position_mm=tuple(geometry.positions_mm[z]),
        orientation=(*geometry.row_cosine, *geometry.column_cosine),
        spacing_mm=(geometry.spacing_y_mm, geometry.spacing_x_mm),
        rows=shape[2],
        columns=shape[3],
        trigger_time_ms=40.0 * t + z,
        nominal_interval_ms=937.5,
        heart_rate_bpm=HEART_RATE_BPM,
        temporal_position=None,
        header=header,
    )


def make_analysis(
    shape: tuple[int, int, int, int] = (6, 4, 30, 46),
    *,
    multiframe: bool = False,
    edit_header: Callable[[Dataset, int, int], None] | None = None,
    heart_rate_bpm: float | None = HEART_RATE_BPM,
    subject: Subject | None = None,
) -> CineAnalysis:
    """CineAnalysis of a synthetic cine of (t, z, y, x) frames; ``edit_header`` spoils (header, t, z)."""
    geometry = oblique_geometry(shape[1])
    labels = beating_labels(*shape)
    planes = tuple(
        tuple(source_plane(geometry, shape, t, z, multiframe) for z in range(shape[1]))
        for t in range(shape[0])
    )
    if edit_header is not None:
        for t, phase in enumerate(planes):
            for z, plane in enumerate(phase):
                edit_header(plane.header, t, z)
        planes = tuple(tuple(_as_headed(p) for p in phase) for phase in planes)
    times_ms = np.add.outer(np.arange(shape[0]) * 40.0, np.arange(shape[1]) * 1.0)
    stack = CineStack(shaded_pixels(labels), geometry, times_ms, heart_rate_bpm)
    return analysis_of(AssembledCine(f"{UID_ROOT}.2", stack, planes, (), ()), labels, subject)


def _as_headed(plane: ImagePlane) -> ImagePlane:
    return replace(plane, sop_instance_uid=str(plane.header.SOPInstanceUID))


def analysis_of(cine: AssembledCine, labels: np.ndarray, subject: Subject | None = None) -> CineAnalysis:
    """CineAnalysis of a cine with labels that somebody made up; of nobody in particular unless told."""
    subject = subject or Subject()
    segmentation = CineSegmentation(labels, cine.stack.geometry)
    curves_ml = volume_curves_ml(segmentation)
    phases = key_phases(curves_ml[Structure.LV_CAVITY])
    wall = measure_wall(segmentation, phases)
    measured = (*measure_sax(curves_ml, phases, cine.stack.heart_rate_bpm), *wall.measurements)
    return CineAnalysis(
        study_uid=str(cine.planes[0][0].header.StudyInstanceUID),
        patient=one_patient(stated_patients(p.header for phase in cine.planes for p in phase)),
        cine=cine,
        segmentation=segmentation,
        phases=phases,
        lv_curve_ml=curves_ml[Structure.LV_CAVITY],
        rv_curve_ml=curves_ml[Structure.RV_CAVITY],
        measurements=with_normal_ranges(with_body_size(measured, subject), subject),
        findings=(
            Finding("apex_not_covered", Severity.WARNING, "The last slice still shows 2.1 mL of cavity."),
            Finding("times_vary", Severity.INFO, "Trigger times differ by up to 3 ms between slices."),
        ),
        model=MODEL,
        cvai_version="0.1.0",
        timings_ms={"read": 12.5, "select": 1.0, "assemble": 3.0, "infer": 400.0, "measure": 5.0},
        subject=subject,
    )


def excluded() -> tuple[Excluded, ...]:
    return (Excluded(f"{UID_ROOT}.9", "localiser"),)


@dataclass(frozen=True)
class Written:
    """An analysis and the folder its results were written to."""

    analysis: CineAnalysis
    folder: Path

    def path(self, kind: str) -> Path:
        return self.folder / FILE_NAMES[kind]

    def read(self, kind: str) -> Dataset:
        return dcmread(self.path(kind))
