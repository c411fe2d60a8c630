"""Cases of a folder of studies, analysed here, beside a table of reference values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvai.acceptance.cases import Case, Cases, ComparedNumber
from cvai.acceptance.table import ReferenceTable
from cvai.analyses.registry import ReadyAnalysis
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.acquired import Acquired
from cvai.dicom.read.header.text import stated_text
from cvai.dicom.read.read import open_studies
from cvai.dicom.read.values import Study
from cvai.dicom.write.analysis import Analysed
from cvai.errors import Refused


@dataclass(frozen=True, slots=True)
class _Found:
    """A study of the folder that the table names."""

    study: Study
    reference: Mapping[str, float]


def analysed_cases(
    source: Path,
    table: ReferenceTable,
    analyses: Sequence[ReadyAnalysis],
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Cases, ...]:
    """Analyse the studies that the table names, one after the other; nothing is written.

    Args:
        source: a file, a folder, a DICOMDIR, a zip or a tar.
        table: of the site's own values.
        analyses: to be tested.
        progress: called with each StudyInstanceUID before it is analysed.

    Raises:
        ConfigurationInvalid: there is no such source.
        CvaiError: an analysis failed for another reason than the study.
    """
    with open_studies(source) as read:
        found = [_Found(study, values) for study in read.studies if (values := _reference(study, table))]
        missing, others = len(table.values) - len(found), len(read.studies) - len(found)
        notes = tuple(
            note
            for n, note in (
                (missing, f"Studies of the table that are not in the folder: {missing}."),
                (others, f"Studies of the folder that the table states nothing of: {others}."),
            )
            if n > 0
        )
        return tuple(_cases(ready, found, notes, progress) for ready in analyses)


def _reference(study: Study, table: ReferenceTable) -> Mapping[str, float]:
    """Values of a study; empty where the table has none."""
    headers = (plane.header for series in study.series for plane in series.planes)
    header = next(headers, None)
    return {} if header is None else table.values.get(stated_text(header, table.keyword).strip(), {})


def _cases(
    ready: ReadyAnalysis, found: Sequence[_Found], notes: tuple[str, ...], progress: Callable[[str], None]
) -> Cases:
    models: set[str] = set()
    cases = []
    for each in found:
        if ready.spec.applies_to(each.study):
            progress(each.study.study_uid)
            case, model = _case(ready, each)
            cases.append(case)
            models.update(model)
    return Cases(ready.spec.kind, ", ".join(sorted(models)), tuple(cases), notes)


def _case(ready: ReadyAnalysis, found: _Found) -> tuple[Case, tuple[str, ...]]:
    """One study, and the model that measured it."""
    study = found.study
    try:
        study.patient()
        analysed = ready.analyse(study, Stopwatch())
    except Refused as refusal:
        acquired = Acquired.of_study(study, ready.spec.modality)
        return Case(study.study_uid, acquired, refusal.code), ()
    return (
        Case(
            study.study_uid,
            Acquired.of(analysed.images.planes[0][0].header),
            findings=tuple(dict.fromkeys(finding.code for finding in analysed.findings)),
            numbers=dict(_numbers(analysed, found.reference)),
        ),
        (f"{analysed.model.name} {analysed.model.version}",),
    )


def _numbers(analysed: Analysed, reference: Mapping[str, float]) -> Iterator[tuple[str, ComparedNumber]]:
    for name, value in reference.items():
        if (measured := analysed.measurement(name)) is not None:
            yield name, ComparedNumber(measured.value, value, measured.unit, measured.interval)
