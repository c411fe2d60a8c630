"""Results told apart from other results of the same images.

UIDs follow from source instances and model, so the same input gives the same objects. But images are
delivered again under their UIDs with a corrected patient or other pixels, and a new version of cvai may find
other findings: what is said then must not stand under the UIDs of what was said before. The first results of
some images have UIDs that follow from the inputs alone. Where they stand in the study and say something else,
the UIDs of the new ones follow from what they say too; made again, they are the same again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from cvai.errors import StudyRefused
from cvai.results.analysis import Analysis
from cvai.results.echo_analysis import EchoAnalysis
from cvai.results.echo_seg import LOOP_KINDS
from cvai.results.echo_sr import echo_document
from cvai.results.instance import AnyContext, ResultContext, result_uids
from cvai.results.labels import read_labels, read_loop_labels
from cvai.results.predecessors import own_documents
from cvai.results.sr import measurement_document
from cvai.results.uids import ResultKind
from cvai.results.withdrawal import results_of_others, withdrawn_uids
from cvai.study.header import PARSE_ERRORS
from cvai.study.statements import says
from cvai.study.tolerance import tolerating_values
from cvai.study.values import Study

AnyAnalysis = Analysis | EchoAnalysis

SAID = (
    "ConceptNameCodeSequence",
    "CompletionFlag",
    "CurrentRequestedProcedureEvidenceSequence",
    "ContentSequence",
)
"""What a measurement document says besides whom it is about: numbers, findings, images they are from."""

_ANY_TIME = datetime(2000, 1, 1)
_ANY_VERSION = "0"


def told_apart(analysis: AnyAnalysis, study: Study) -> AnyAnalysis:
    """The analysis, with ``content`` set where its first UIDs belong to results that say something else.

    What has been withdrawn, or is about to be, is not made again under its UIDs either: nobody would be shown
    it.

    Args:
        analysis: what will be written; nobody has signed it.
        study: what it was made from, with the results that stand in it.
    """
    gone = withdrawn_uids(study.documents)
    gone |= {result.sop_instance_uid for result in results_of_others(study, analysis.patient)}
    drawn = {result.sop_instance_uid: result.path for result in study.own_results}
    if not (gone or drawn):
        return analysis
    standing = {document.sop_instance_uid: document.header for document in own_documents(study.documents)}
    options = [option for option in _options(analysis, len(gone)) if gone.isdisjoint(_all_uids(option))]
    for option in options:
        former = standing.get(_document_uid(option))
        if former is None:
            continue
        if option.content or (_says_the_same(former, analysis) and _draws_the_same(drawn, analysis)):
            return option
    return next(o for o in options if _document_uid(o) not in standing and _draws_the_same(drawn, o))


def _options(analysis: AnyAnalysis, n_gone: int) -> list[AnyAnalysis]:
    """The analysis under its first UIDs, then under those that follow from what it says."""
    digest = _digest(analysis)
    contents = (hashlib.sha256(f"{digest} {n}".encode()).hexdigest() for n in range(n_gone + 2))
    return [analysis, *(replace(analysis, content=content) for content in contents)]


def _all_uids(analysis: AnyAnalysis) -> set[str]:
    return {str(result_uids(analysis).sop_instance(kind)) for kind in ResultKind}


def _document_uid(analysis: AnyAnalysis) -> str:
    return str(result_uids(analysis).sop_instance(ResultKind.SR))


def _says_the_same(former: Dataset, analysis: AnyAnalysis) -> bool:
    """Whether a document that stands says what would be said now, whichever version of cvai wrote it."""
    with tolerating_values():
        return says(former, _said(analysis))


def _draws_the_same(drawn: Mapping[str, Path], analysis: AnyAnalysis) -> bool:
    """Whether segmentations that stand under the UIDs of the analysis have its labels.

    Args:
        drawn: file of every result that stands, by SOP Instance UID.
        analysis: what will be written.
    """
    uids = result_uids(analysis)
    for kind, labels in _labels(analysis).items():
        path = drawn.get(uids.sop_instance(kind))
        if path is None:
            continue
        former = _labels_of(path, kind, analysis)
        if former is None or not np.array_equal(former, labels):
            return False
    return True


def _labels(analysis: AnyAnalysis) -> dict[ResultKind, NDArray[np.uint8]]:
    """The labels of every frame, by the kind of result that holds them."""
    if isinstance(analysis, EchoAnalysis):
        return {LOOP_KINDS[loop.view]: loop.segmentation.labels for loop in analysis.loops}
    return {ResultKind.SEG_CINE: analysis.segmentation.labels}


def _labels_of(path: Path, kind: ResultKind, analysis: AnyAnalysis) -> NDArray[np.uint8] | None:
    """Labels of a segmentation on the images of the analysis; None where it is of others, or damaged."""
    try:
        if isinstance(analysis, EchoAnalysis):
            (loop,) = (loop for loop in analysis.loops if LOOP_KINDS[loop.view] is kind)
            return read_loop_labels(path, loop.source.images)
        return read_labels(path, analysis.cine).labels
    except (StudyRefused, InvalidDicomError, *PARSE_ERRORS):
        return None


def _digest(analysis: AnyAnalysis) -> str:
    said, buffer = _said(replace(analysis, cvai_version=_ANY_VERSION)), BytesIO()
    with tolerating_values():
        said.save_as(buffer, implicit_vr=False, little_endian=True)
    digest = hashlib.sha256(repr(analysis.patient).encode() + buffer.getvalue())
    for labels in _labels(analysis).values():
        digest.update(np.ascontiguousarray(labels).tobytes())
    return digest.hexdigest()


def _said(analysis: AnyAnalysis) -> Dataset:
    """SAID of the document as it would be read back."""
    buffer = BytesIO()
    with tolerating_values():
        _document(analysis).save_as(buffer, enforce_file_format=True)
        buffer.seek(0)
        read = dcmread(buffer)
        said = Dataset()
        for keyword in SAID:
            said.add(read[keyword])
        return said


def _document(analysis: AnyAnalysis) -> Dataset:
    if isinstance(analysis, EchoAnalysis):
        return echo_document(AnyContext.of(analysis, _ANY_TIME), analysis)
    return measurement_document(ResultContext.of(analysis, _ANY_TIME))
