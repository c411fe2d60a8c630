"""The front door for programs: ``cvai.analyze``, ``cvai.segment``, ``cvai.read`` and what they give."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.registry import ReadyAnalysis, analysis_of, analysis_with, ready_analyses
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.read import open_studies, read_studies
from cvai.dicom.read.values import Study
from cvai.dicom.read.whole import all_unreadable
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.result_json import Record, Status, StudyStatement, analysed_record, study_record
from cvai.dicom.write.standing.predecessors import superseded_documents
from cvai.dicom.write.standing.revision import told_apart
from cvai.dicom.write.write import clear_results, write_objects, write_record
from cvai.errors import Refused
from cvai.pipeline import error_record, object_entry, series_numbers


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What one analysis found in one study, or why it did not measure.

    Attributes:
        study_uid: StudyInstanceUID.
        kind: of the analysis, such as ``cine_sax``.
        status: ``analysed`` or ``refused``.
        error: why it did not measure, with a ``code``, a message and a ``hint``; None where it did.
    """

    study_uid: str
    kind: str
    status: Literal["analysed", "refused"]
    error: Refused | None
    _ready: ReadyAnalysis
    _study: Study
    _analysed: Analysed | None
    _watch: Stopwatch

    @property
    def record(self) -> Record:
        """Its entry in result.json, without objects; docs/reference/result.md describes the fields."""
        if self._analysed is None:
            return error_record(self._ready.spec, self._require_error(), self._watch, self._study)
        return analysed_record(self._analysed, (), self._watch.timings_ms, self._study)

    @property
    def measurements(self) -> list[dict[str, Any]]:
        """A row for every number: name, value, unit, code, interval, normal range."""
        rows: list[dict[str, Any]] = self.record["measurements"]
        return rows

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What to know before trusting the numbers: code, severity, message, where."""
        found: list[dict[str, Any]] = self.record["findings"]
        return found

    @property
    def curves(self) -> dict[str, NDArray[np.float64] | None]:
        """Curves over time by name, ``time_ms`` among them."""
        curves = {} if self._analysed is None else self._analysed.curves
        return {name: None if values is None else np.asarray(values) for name, values in curves.items()}

    @property
    def labels(self) -> dict[str, NDArray[np.uint8]]:
        """(t, z, y, x) labels on the pixels of the source images, by the kind of Segmentation object."""
        if self._analysed is None:
            return {}
        drawn = self._ready.spec.results.drawn(self._analysed)
        return {segments.kind: segments.labels for segments in drawn if segments.is_whole}

    def value(self, name: str) -> float | None:
        """The measurement called ``name``, such as ``lv_ef``; None where it was not made."""
        return next((m["value"] for m in self.measurements if m["name"] == name), None)

    def report(self) -> bytes:
        """The report with its pictures, as a PDF file.

        Raises:
            ValueError: nothing was measured.
        """
        analysed = self._require_measured()
        plan = self._ready.spec.results
        report: bytes = plan.report(ResultContext.of(analysed, plan, datetime.now()))
        return report

    def write(self, folder: str | PathLike[str], extras: Collection[str] = ()) -> list[Path]:
        """Write SEG, SR and PDF objects, report.pdf, fhir.json, oru.hl7 and result.json.

        Args:
            folder: created where it does not exist; results that lie there are replaced.
            extras: what is written besides: ``captures``, ``contours``, ``presentations``, and with
                ``unsigned_echo_reports`` ``echo_report`` and ``simple_echo_report``.

        Returns:
            The DICOM objects.

        Raises:
            ValueError: there are no such extras.
        """
        wanted = tuple(map(Extra, extras))
        target, plan = Path(folder), self._ready.spec.results
        clear_results(target, [plan])
        statement = StudyStatement(
            self.study_uid, self._study.patient(), all_unreadable(self._study), self.error
        )
        if self._analysed is None:
            write_record(target, study_record(statement, Status.REFUSED, [self.record]))
            return []
        analysis = self._analysed
        objects = write_objects(
            analysis,
            plan,
            target,
            taken_series_numbers=series_numbers(self._study),
            supersedes=superseded_documents(analysis, self._study.documents),
            extras=wanted,
        )
        entries = [object_entry(written, target) for written in objects]
        record = analysed_record(analysis, entries, self._watch.timings_ms, self._study)
        write_record(target, study_record(statement, Status.ANALYSED, [record]))
        return [written.path for written in objects]

    def _require_measured(self) -> Analysed:
        if self._analysed is None:
            raise ValueError(f"nothing was measured: {self.error}")
        return self._analysed

    def _require_error(self) -> Refused:
        if self.error is None:
            raise ValueError("it measured")
        return self.error


def analyze(
    path: str | PathLike[str], *, models: Sequence[str] = (), threads: int = 2, provider: str = "auto"
) -> list[Result]:
    """Make every analysis that applies to the studies in ``path``; nothing is written.

    Args:
        path: a DICOM file, a folder of them, a DICOMDIR, a zip or a tar.
        models: names or folders of models to be used in the place of the usual ones.
        threads: of a network.
        provider: runtime: ``auto``, ``cpu``, ``cuda``, ``tensorrt``, ``openvino``, or a provider of ONNX
            Runtime by its name.

    Returns:
        A result for each study and analysis that applies; none for studies that no analysis applies to.

    Raises:
        Refused: the images of a study are of several patients.
        ConfigurationInvalid: there is no such path or model.
        ModelInvalid: a model is not whole.

    Example:
        >>> for result in cvai.analyze("study/"):  # doctest: +SKIP
        ...     print(result.kind, result.value("lv_ef"), [f["code"] for f in result.findings])
        ...     result.write("results/" + result.kind)
    """
    analyses = ready_analyses(models, threads, provider)
    reading = Stopwatch()
    with reading.stage("read"), open_studies(Path(path)) as read:
        return [
            _result(study, ready, Stopwatch(reading.timings_ms))
            for study in read.studies
            for ready in analyses
            if ready.spec.applies_to(study)
        ]


def _result(study: Study, ready: ReadyAnalysis, watch: Stopwatch) -> Result:
    kind = ready.spec.kind
    try:
        found = told_apart(ready.analyse(study, watch), ready.spec.results, study)
    except Refused as refusal:
        return Result(study.study_uid, kind, "refused", refusal, ready, study, None, watch)
    return Result(study.study_uid, kind, "analysed", None, ready, study, found, watch)


def segment(
    pixels: NDArray[np.number[Any]],
    spacing_mm: Sequence[float],
    kind: str = "cine_sax",
    *,
    model: str | None = None,
    threads: int = 2,
) -> NDArray[np.uint8]:
    """Label an array of images.

    Args:
        pixels: of a short-axis cine (t, z, y, x) or (z, y, x); of late enhancement (z, y, x) or (y, x); of an
            apical loop or an angiography run (t, y, x) or (y, x).
        spacing_mm: between slices, rows and columns; of a loop between rows and columns.
        kind: of the analysis whose model labels: ``cine_sax``, ``late_enhancement``, ``echo_apical`` or
            ``coronary``.
        model: name or folder of a model in the place of the usual one.
        threads: of the network.

    Returns:
        Labels in the shape of ``pixels``; ``cine_sax``: 1 LV cavity, 2 LV myocardium, 3 RV cavity;
        ``echo_apical``: 1 LV cavity, 2 LV myocardium, 3 left atrium; ``late_enhancement``: 1 LV cavity,
        2 healthy myocardium, 3 infarct, 4 no-reflow; ``coronary``: 1 to 25, the SYNTAX segments.

    Raises:
        ValueError: there is no such kind, it labels no arrays, or the shape is another.
        HeartRefused: no heart was found.
    """
    try:
        spec = analysis_of(kind)
    except KeyError:
        raise ValueError(f"there is no analysis {kind!r}") from None
    name = model or spec.model
    if spec.segment is None or name is None:
        raise ValueError(f"{kind} labels no arrays")
    label, spacing = spec.segment, tuple(map(float, spacing_mm))
    return analysis_with(name, threads).using(lambda model: label(model, pixels, spacing))


def read(path: str | PathLike[str]) -> Study:
    """The one study in ``path``, from its headers.

    Raises:
        ValueError: there are several, or none.
        ConfigurationInvalid: there is no such path.
    """
    studies = read_studies(Path(path)).studies
    if len(studies) != 1:
        raise ValueError(f"{len(studies)} studies in {path}")
    return studies[0]
