"""One study, in one straight line. Start reading here.

::

    files -> Study -> cine selected -> CineStack -> Segmentation -> phases, volumes, EF -> findings
          -> Analysis -> SEG, SR, PDF, result.json
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cvai import __version__
from cvai.engine.bring import images_digest
from cvai.engine.choice import in_order
from cvai.engine.echo import analyse_echo
from cvai.engine.watch import Segmenting, Stopwatch
from cvai.errors import FileRefused, GeometryRefused, HeartRefused, Refused, StudyRefused
from cvai.heart.anatomy import Structure
from cvai.heart.body import with_body_size
from cvai.heart.findings import Finding, Severity
from cvai.heart.function import measure_sax
from cvai.heart.normals import with_normal_ranges
from cvai.heart.phases import key_phases
from cvai.heart.quality import quality_findings
from cvai.heart.short_axis import require_short_axis
from cvai.heart.volumes import volume_curve_ml
from cvai.heart.wall import measure_wall
from cvai.inference.echo import EchoSegmenter
from cvai.inference.segmenter import Segmenter
from cvai.results.analysis import Analysis, RefusedAnalysis
from cvai.results.echo_analysis import EchoAnalysis
from cvai.results.predecessors import superseded_documents
from cvai.results.revision import told_apart
from cvai.results.withdrawal import WithdrawalObject, write_withdrawal
from cvai.results.write import WrittenObject, write_results
from cvai.study.assemble import assemble_cine
from cvai.study.read import open_studies
from cvai.study.select import CineSelection, select_sax_cine
from cvai.study.subject import subject_of
from cvai.study.ultrasound import holds_ultrasound
from cvai.study.values import CineNotFound, Study
from cvai.study.whole import all_unreadable, require_readable, unreadable_findings

EchoModel = Callable[[], EchoSegmenter | None]

UNREADABLE_FOLDER = "unreadable"
"""Where result.json goes when no file tells which study it belongs to."""


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """What became of one study.

    Args:
        study_uid: StudyInstanceUID, None where no file told it.
        status: as in result.json.
        folder: where result.json and the objects were written.
        objects: DICOM objects to be stored; of a refused study at most a note that withdraws earlier results.
        refusal: why, when refused.
        images: digest of the images that were analysed, see ``images_digest``.
    """

    study_uid: str | None
    status: Literal["analysed", "refused"]
    folder: Path
    objects: tuple[WrittenObject | WithdrawalObject, ...]
    refusal: Refused | None = None
    images: str = ""


def analyse_study(study: Study, segmenter: Segmenter, watch: Stopwatch) -> Analysis:
    """Select, assemble, segment, measure and judge one study.

    Where the stack that was preferred turns out not to be a short-axis cine, the next one is tried; a damaged
    file is no reason to measure something else.

    Raises:
        Refused: the study cannot be measured honestly; of several stacks, as the preferred one was refused.
    """
    with watch.stage("select"):
        study.patient()  # refused before anything is measured
        preferred = select_sax_cine(study)
    refusals: list[Refused] = []
    for selection in in_order(preferred, segmenter, watch):
        try:
            return _analysis(study, selection, refusals, segmenter, watch)
        except (GeometryRefused, HeartRefused) as refusal:
            refusals.append(refusal)
    raise refusals[0]


def _replaced(refusals: Sequence[Refused]) -> tuple[Finding, ...]:
    """What is to be said of a stack that is measured since another was refused."""
    if not refusals:
        return ()
    message = (
        f"The stack that was preferred could not be measured ({refusals[0].code}: {refusals[0].message}) "
        "Another one of the study was."
    )
    return (Finding("preferred_stack_refused", Severity.WARNING, message),)


def _analysis(
    study: Study,
    selection: CineSelection,
    refusals: Sequence[Refused],
    segmenter: Segmenter,
    watch: Stopwatch,
) -> Analysis:
    require_readable(study, selection.planes)
    with watch.stage("assemble"):
        cine = assemble_cine(selection)
    with watch.stage("infer"):
        segmentation = segmenter.segment(cine.stack)
    with watch.stage("measure"):
        lv_curve_ml = volume_curve_ml(segmentation, Structure.LV_CAVITY)
        rv_curve_ml = volume_curve_ml(segmentation, Structure.RV_CAVITY)
        _require_a_ventricle_in_every_phase(lv_curve_ml)
        phases = key_phases(lv_curve_ml)
        require_short_axis(segmentation, phases)
        wall = measure_wall(segmentation, phases)
        measurements = (*measure_sax(segmentation, phases, cine.stack.heart_rate_bpm), *wall.measurements)
        findings = (
            *_replaced(refusals),
            *cine.findings,
            *unreadable_findings(study),
            *quality_findings(segmentation, phases),
            *wall.findings,
        )
    if segmenter.uncertainty is not None:
        measurements = tuple(segmenter.uncertainty.around(m) for m in measurements)
    subject = subject_of(cine)
    measurements = with_normal_ranges(with_body_size(measurements, subject), subject)
    return Analysis(
        study_uid=study.study_uid,
        patient=study.patient(),
        view="sax_cine",
        cine=cine,
        segmentation=segmentation,
        phases=phases,
        lv_curve_ml=lv_curve_ml,
        rv_curve_ml=rv_curve_ml,
        measurements=measurements,
        findings=findings,
        model=segmenter.identity,
        cvai_version=__version__,
        timings_ms=watch.timings_ms,
        subject=subject,
    )


def _require_a_ventricle_in_every_phase(lv_curve_ml: NDArray[np.float64]) -> None:
    empty = int(np.count_nonzero(lv_curve_ml == 0))
    if empty:
        raise HeartRefused(
            "heart_lost",
            f"No left ventricle was found in {empty} of {lv_curve_ml.size} phases.",
            "Look at these phases; if the heart is there, measure this study by hand.",
        )


def _analysed(
    study: Study, segmenter: Segmenter, echo_model: EchoModel, watch: Stopwatch
) -> Analysis | EchoAnalysis:
    """The line that fits what the study was made with."""
    if not holds_ultrasound(study):
        return analyse_study(study, segmenter, watch)
    echo = echo_model()
    if echo is None:
        raise StudyRefused(
            "no_echo_model",
            "This is an ultrasound study, and no model for ultrasound is installed.",
            "Install the echo model; `cvai models list` shows what is there.",
        )
    analysis = analyse_echo(study, echo, watch)
    return replace(analysis, findings=(*analysis.findings, *unreadable_findings(study)))


def _analyse_and_write(
    study: Study,
    beside: Sequence[FileRefused],
    segmenters: tuple[Segmenter, EchoModel],
    watch: Stopwatch,
    folder: Path,
) -> StudyOutcome:
    """``beside`` are files that lay beside the study's and are no images of it."""
    unreadable = (*all_unreadable(study), *beside)
    try:
        analysis = told_apart(_analysed(study, *segmenters, watch), study)
        objects = write_results(
            analysis,
            folder,
            taken_series_numbers=_series_numbers(study),
            supersedes=superseded_documents(analysis, study.documents),
            unreadable=unreadable,
        )
    except Refused as refusal:
        outcome = _refused(study.study_uid, refusal, unreadable, watch, folder)
        return outcome if refusal.code == "patients_differ" else _with_withdrawal(outcome, study)
    images = images_digest(plane for phase in analysis.cine.planes for plane in phase)
    return _with_withdrawal(StudyOutcome(study.study_uid, "analysed", folder, objects, images=images), study)


def _with_withdrawal(outcome: StudyOutcome, study: Study) -> StudyOutcome:
    """The outcome with a note about earlier results that name another patient, where there are any."""
    return replace(outcome, objects=(*outcome.objects, *write_withdrawal(study, outcome.folder)))


def _refused(
    study_uid: str | None,
    refusal: Refused,
    unreadable: Sequence[FileRefused],
    watch: Stopwatch,
    folder: Path,
) -> StudyOutcome:
    passed_over = refusal.passed_over if isinstance(refusal, CineNotFound) else ()
    refused = RefusedAnalysis(study_uid, refusal, passed_over, __version__, watch.timings_ms)
    write_results(refused, folder, unreadable=unreadable)
    return StudyOutcome(study_uid, "refused", folder, (), refusal)


def _series_numbers(study: Study) -> list[int]:
    """Numbers that results must not take; cvai's own results hold no image planes and do not count."""
    return [s.series_number for s in study.series if s.planes and s.series_number is not None]


def analyse_folder(
    source: Path,
    out: Path,
    segmenter: Segmenter,
    echo_model: EchoModel = lambda: None,
    segmenting: Segmenting = nullcontext,
) -> tuple[StudyOutcome, ...]:
    """Analyse every study in ``source`` and write each one's results to ``out/<StudyInstanceUID>``.

    Args:
        source: a DICOM file, a folder of them, a DICOMDIR, a zip or a tar.
        out: created where it does not exist.
        segmenter: the model for short-axis cines.
        echo_model: gives the model for ultrasound, None where there is none; asked for when it is needed.
        segmenting: entered around whatever runs a network; see ``Lane``.

    Raises:
        TemporarilyUnavailable: the disk failed; nothing is said of the study.
    """
    reading, outcomes = Stopwatch(), []
    with ExitStack() as opened:
        with reading.stage("read"):
            read = opened.enter_context(open_studies(source))
        for study in read.studies:
            watch = Stopwatch(reading.timings_ms, segmenting)
            segmenters, folder = (segmenter, echo_model), out / study.study_uid
            outcomes.append(_analyse_and_write(study, read.no_images, segmenters, watch, folder))
    if not read.studies:
        refusal = read.unreadable[0] if read.unreadable else _nothing_there()
        outcomes.append(_refused(None, refusal, read.unreadable, reading, out / UNREADABLE_FOLDER))
    return tuple(outcomes)


def _nothing_there() -> StudyRefused:
    return StudyRefused(
        "no_files", "The source holds no files.", "Name a folder of DICOM files, a zip or a tar."
    )
