"""What was measured, beside what other reports of the study state about the same heart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from cvai.dicom.read.modality import modality_of
from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.reports.quantities import CODES, METHODS
from cvai.dicom.read.values import Study
from cvai.dicom.write.analysis import Analysed, AnyAnalysed
from cvai.dicom.write.entered import entered_text
from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.message import joined, say, term
from cvai.domain.reported import Method, ReportedValue, compared_with, disagreements


@dataclass(frozen=True, slots=True)
class Beside:
    """A value of a report, and the measurement of the same quantity by the same method; None without one."""

    value: ReportedValue
    ours: Measurement | None

    @property
    def is_inside(self) -> bool | None:
        """Whether the interval of the measurement holds the value; None where there is no interval."""
        interval = None if self.ours is None else self.ours.interval
        return None if interval is None else interval[0] <= self.value.value <= interval[1]


def with_reports(analysis: AnyAnalysed, study: Study) -> AnyAnalysed:
    """The analysis with what other reports of its study state, and findings about how they compare.

    Raises:
        StudyRefused: ``patients_differ``.
    """
    reports = reports_of(study)
    compared = disagreements(reports.values, analysis.measurements, methods_of(analysis))
    known = replace(analysis, reports=reports)
    return replace(known, findings=(*analysis.findings, *compared, *_about_body(known), *_left_out(known)))


def beside(analysis: Analysed) -> tuple[Beside, ...]:
    """Every value of the reports, in their order."""
    methods = methods_of(analysis)
    return tuple(
        Beside(value, compared_with(value, analysis.measurements, methods))
        for value in (*analysis.reports.values, *analysis.reports.body)
    )


def methods_of(analysis: Analysed) -> Mapping[str, Method]:
    """How each measurement was made, by its name."""
    modality = modality_of(analysis.images.planes[0][0].header)
    methods = {}
    for measurement in analysis.measurements:
        coding = analysis.coding(measurement.name)
        name, code = coding.name, coding.method
        _, of_name = CODES.get((name.scheme_designator, name.value), ("", Method()))
        stated = Method() if code is None else METHODS.get((code.scheme_designator, code.value), Method())
        methods[measurement.name] = of_name.completed_by(stated).completed_by(Method(modality=modality))
    return methods


def _about_body(analysis: Analysed) -> Iterator[Finding]:
    sizes = [name for name in analysis.subject.from_report if name in ("height", "weight")]
    if sizes:
        message = say(
            "The images state no {sizes}; what another report of the study states is used.",
            sizes=say("height and no weight") if len(sizes) == 2 else term(sizes[0]),
        )
        yield Finding("body_size_from_report", Severity.INFO, message)
    if analysis.subject.entered is not None:
        yield Finding("entered_by_hand", Severity.INFO, entered_text(analysis.subject.entered))


def _left_out(analysis: Analysed) -> Iterator[Finding]:
    left_out = analysis.reports.left_out
    if left_out:
        named = (joined(": ", (term(value.title), value.reason)) for value in left_out)
        message = say(
            "Values of other reports of the study that cannot be read for certain are left out ({values}).",
            values=joined("; ", named),
        )
        yield Finding("report_values_left_out", Severity.INFO, message)
