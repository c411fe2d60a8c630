"""An analysed ultrasound study whose labels are drawn: two beating half-ellipses in a speckled sector."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cvai.analyses.echo_apical.analysis import EchoAnalysis, MeasuredLoop
from cvai.analyses.echo_apical.measure import fraction_by_own_length
from cvai.dicom.read.patient import one_patient, stated_patients
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loops import AssembledLoop, assemble_loop, select_loops
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.beats import area_curve
from cvai.domain.body import with_body_size
from cvai.domain.echo.atrium import key_atria, mean_atrial_volumes, measure_atrium
from cvai.domain.echo.function import key_discs, mean_volumes, measure_echo
from cvai.domain.echo.loop import LoopSegmentation
from cvai.domain.echo.strain import loop_strain, measure_strain
from cvai.domain.echo.views import EchoView
from cvai.domain.normals import with_normal_ranges
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.subject import Subject
from tests.dicom.read.ultrasound_files import beating_frames, region, write_loop

N_FRAMES, ROWS, COLUMNS = 20, 120, 160
FOUR, TWO = EchoView.APICAL_4_CHAMBER, EchoView.APICAL_2_CHAMBER
MODEL = ModelIdentity("echo", "0.0.0", "ab" * 32, "CPUExecutionProvider")


def beating_labels(widest_px: float) -> np.ndarray:
    """(t, y, x) half an ellipse, open at row 80, that narrows to 0.6 of its width, and its atrium."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    labels = np.zeros((N_FRAMES, ROWS, COLUMNS), np.uint8)
    for t in range(N_FRAMES):
        ejected = np.sin(np.pi * t / (N_FRAMES - 1))
        half, atrium = widest_px * (1 - 0.4 * ejected), 10 + 3 * ejected
        for structure, grown in ((Structure.LV_MYOCARDIUM, 6.0), (Structure.LV_CAVITY, 0.0)):
            inside = np.hypot((x - 80) / (half + grown), (y - 80) / (60 + grown)) < 1
            labels[t][inside & (y < 80)] = ECHO_LABELS[structure]
        labels[t][(np.hypot(x - 80, y - 80 - atrium) < atrium) & (y >= 80)] = ECHO_LABELS[
            Structure.LEFT_ATRIUM
        ]
    return labels


def assembled_loops(folder: Path, *, calibrated: bool = True, n_loops: int = 2) -> list[AssembledLoop]:
    """Loops read back from files."""
    regions = [region()] if calibrated else []
    for number in range(1, n_loops + 1):
        frames = beating_frames(N_FRAMES, ROWS, COLUMNS, seed=number)
        write_loop(folder / f"{number}.dcm", frames, number, SequenceOfUltrasoundRegions=regions)
    (study,) = read_studies(folder).studies
    return [assemble_loop(images) for images in select_loops(study).loops]


def measured_loop(source: AssembledLoop, view: EchoView, widest_px: float) -> MeasuredLoop:
    """A loop with drawn labels and the discs of its beats."""
    segmentation = LoopSegmentation(beating_labels(widest_px), view, 0.99)
    curve = area_curve(segmentation.area_curve_px(Structure.LV_CAVITY))
    beats = curve.beats or (curve.extremes,)
    spacing = source.loop.spacing_mm or (1.0, 1.0)
    return MeasuredLoop(
        source,
        segmentation,
        beats,
        tuple(key_discs(segmentation, b, spacing) for b in beats),
        key_atria(segmentation, beats, spacing, curve),
        loop_strain(segmentation.labels, spacing, curve, beats),
    )


def echo_analysis(
    folder: Path, *, calibrated: bool = True, n_loops: int = 2, subject: Subject | None = None
) -> EchoAnalysis:
    """A biplane analysis, or one of the four-chamber view alone."""
    subject = subject or Subject()
    sources = assembled_loops(folder, calibrated=calibrated, n_loops=n_loops)
    loops = tuple(
        measured_loop(source, view, widest)
        for source, view, widest in zip(sources, (FOUR, TWO), (24.0, 20.0), strict=False)
    )
    discs = [[d for loop in loops if loop.view is view for d in loop.discs] for view in (FOUR, TWO)]
    atria = [[a for loop in loops if loop.view is view for a in loop.atria] for view in (FOUR, TWO)]
    measurements = (
        *measure_echo(mean_volumes(*discs), 62.0, calibrated=calibrated),
        fraction_by_own_length({loop.view: loop.discs for loop in loops}, 1.0),
        *measure_atrium(mean_atrial_volumes(*atria), calibrated=calibrated),
        *measure_strain(
            {loop.view: loop.strain for loop in loops},
            {loop.view: loop.source.loop.times_ms for loop in loops},
        ),
    )
    findings = tuple(f for loop in loops for f in loop.source.findings)
    return EchoAnalysis(
        study_uid=str(sources[0].images[0].header.StudyInstanceUID),
        patient=one_patient(stated_patients(image.header for s in sources for image in s.images)),
        loops=loops,
        measurements=with_normal_ranges(with_body_size(measurements, subject), subject, "US"),
        subject=subject,
        findings=findings,
        excluded=(),
        model=MODEL,
        cvai_version="0.0.0",
        timings_ms={"read": 1.0},
    )
