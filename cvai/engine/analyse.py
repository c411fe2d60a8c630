"""One study, in one straight line. Start reading here.

::

    files -> Study -> cine selected -> CineStack -> Segmentation -> phases, volumes, EF -> findings
          -> Analysis -> SEG, SR, PDF, result.json
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

from cvai import __version__
from cvai.errors import FileRefused, Refused
from cvai.heart.anatomy import Structure
from cvai.heart.function import measure_sax
from cvai.heart.phases import key_phases
from cvai.heart.quality import quality_findings
from cvai.heart.volumes import volume_curve_ml
from cvai.inference.segmenter import Segmenter
from cvai.results.analysis import Analysis, RefusedAnalysis
from cvai.results.write import WrittenObject, write_results
from cvai.study.assemble import assemble_cine
from cvai.study.read import read_studies
from cvai.study.select import select_sax_cine
from cvai.study.values import Study

UNREADABLE_FOLDER = "unreadable"
"""Where result.json goes when no file tells which study it belongs to."""


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """What became of one study.

    Args:
        study_uid: StudyInstanceUID, None where no file told it.
        status: as in result.json.
        folder: where result.json and the objects were written.
        objects: DICOM objects to be stored, empty when refused.
        refusal: why, when refused.
    """

    study_uid: str | None
    status: Literal["analysed", "refused"]
    folder: Path
    objects: tuple[WrittenObject, ...]
    refusal: Refused | None = None


class Stopwatch:
    """Durations of the stages a study went through, in milliseconds."""

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; a block that raises is timed as well."""
        start = perf_counter()
        try:
            yield
        finally:
            self.timings_ms[name] = (perf_counter() - start) * 1000.0


def analyse_study(study: Study, segmenter: Segmenter, watch: Stopwatch) -> Analysis:
    """Select, assemble, segment, measure and judge one study.

    Raises:
        Refused: the study cannot be measured honestly.
    """
    with watch.stage("select"):
        selection = select_sax_cine(study)
    with watch.stage("assemble"):
        cine = assemble_cine(selection)
    with watch.stage("infer"):
        segmentation = segmenter.segment(cine.stack)
    with watch.stage("measure"):
        lv_curve_ml = volume_curve_ml(segmentation, Structure.LV_CAVITY)
        rv_curve_ml = volume_curve_ml(segmentation, Structure.RV_CAVITY)
        phases = key_phases(lv_curve_ml)
        measurements = measure_sax(segmentation, phases, cine.stack.heart_rate_bpm)
        findings = (*cine.findings, *quality_findings(segmentation, phases))
    return Analysis(
        study_uid=study.study_uid,
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
    )


def _analysed_or_refused(study: Study, segmenter: Segmenter, watch: Stopwatch) -> Analysis | RefusedAnalysis:
    try:
        return analyse_study(study, segmenter, watch)
    except Refused as refusal:
        return RefusedAnalysis(study.study_uid, refusal, (), __version__, watch.timings_ms)


def _written(outcome: Analysis | RefusedAnalysis, folder: Path) -> StudyOutcome:
    objects = write_results(outcome, folder)
    if isinstance(outcome, RefusedAnalysis):
        return StudyOutcome(outcome.study_uid, "refused", folder, (), outcome.refusal)
    return StudyOutcome(outcome.study_uid, "analysed", folder, objects)


def _refused_files(refusals: tuple[FileRefused, ...], out: Path) -> StudyOutcome:
    """Files that belong to no study: the first one's reason stands for all."""
    refused = RefusedAnalysis(None, refusals[0], (), __version__, {})
    return _written(refused, out / UNREADABLE_FOLDER)


def analyse_folder(
    source: Path,
    out: Path,
    segmenter: Segmenter,
    announce: Callable[[StudyOutcome], None] = lambda _: None,
) -> tuple[StudyOutcome, ...]:
    """Analyse every study in ``source`` and write each one's results to ``out/<StudyInstanceUID>``.

    Args:
        source: a DICOM file, a folder of them, or a zip.
        out: created where it does not exist.
        segmenter: the model.
        announce: told of each study as it is done.
    """
    watch = Stopwatch()
    with watch.stage("read"):
        read = read_studies(source)
    outcomes = []
    for study in read.studies:
        study_watch = Stopwatch()
        study_watch.timings_ms.update(watch.timings_ms)
        result = _analysed_or_refused(study, segmenter, study_watch)
        outcomes.append(_written(result, out / study.study_uid))
        announce(outcomes[-1])
    if read.unreadable and not read.studies:
        outcomes.append(_refused_files(read.unreadable, out))
        announce(outcomes[-1])
    return tuple(outcomes)
