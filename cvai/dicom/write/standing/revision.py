"""Distinguishes results from other results of the same images.

UIDs follow from source instances and model, so the same input gives the same objects. But images are
delivered again under their UIDs with a corrected patient or other pixels, and a new version of cvai may find
other findings: what is said then must not stand under the UIDs of what was said before. The first results of
some images have UIDs that follow from the inputs alone. Where they stand in the study and say something else,
the UIDs of the new ones follow from what they say too; made again, they are the same again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from cvai.dicom.read.header.attributes import PARSE_ERRORS
from cvai.dicom.read.header.statements import rename_to_former, says
from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.values import Study
from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.instance import ResultContext, result_uids
from cvai.dicom.write.objects.labels import read_labels
from cvai.dicom.write.objects.sr import measurement_document
from cvai.dicom.write.plan import DrawnSegments, ResultKind, ResultPlan
from cvai.dicom.write.standing.predecessors import own_documents
from cvai.dicom.write.standing.withdrawal import results_of_others, withdrawn_uids
from cvai.errors import StudyRefused

SAID = (
    "ConceptNameCodeSequence",
    "CompletionFlag",
    "CurrentRequestedProcedureEvidenceSequence",
    "ContentSequence",
)
"""What a measurement document says besides whom it is about: numbers, findings, images they are from."""

_ANY_TIME = datetime(2000, 1, 1)
_ANY_VERSION = "0"


def told_apart(analysis: AnyAnalysed, plan: ResultPlan[AnyAnalysed], study: Study) -> AnyAnalysed:
    """The analysis, with ``content`` set where its first UIDs belong to results that say something else.

    What has been withdrawn, or is about to be, is not made again under its UIDs either: nobody would be shown
    it.

    Args:
        analysis: what will be written; unsigned.
        plan: how its results are written.
        study: what it was made from, with the results that stand in it.
    """
    gone = withdrawn_uids(study.documents)
    gone |= {result.sop_instance_uid for result in results_of_others(study, analysis.patient)}
    files = {result.sop_instance_uid: result.path for result in study.own_results}
    if not (gone or files):
        return analysis
    standing = {document.sop_instance_uid: document.header for document in own_documents(study.documents)}
    drawn = [segments for segments in plan.drawn(analysis) if segments.is_whole]
    digest = _digest(analysis, plan, drawn)
    options = [o for o in _options(analysis, digest, len(gone)) if gone.isdisjoint(_all_uids(o, plan))]
    for option in options:
        former = standing.get(_document_uid(option))
        if former is None:
            continue
        if option.content or (
            _says_the_same(former, analysis, plan) and _draws_the_same(files, analysis, drawn)
        ):
            return option
    return next(o for o in options if _document_uid(o) not in standing and _draws_the_same(files, o, drawn))


def _options(analysis: AnyAnalysed, digest: str, n_gone: int) -> list[AnyAnalysed]:
    """The analysis under its first UIDs, then under those that follow from what it says."""
    contents = (hashlib.sha256(f"{digest} {n}".encode()).hexdigest() for n in range(n_gone + 2))
    return [analysis, *(replace(analysis, content=content) for content in contents)]


def _all_uids(analysis: AnyAnalysed, plan: ResultPlan[AnyAnalysed]) -> set[str]:
    return {str(result_uids(analysis).sop_instance(kind)) for kind in plan.every_series}


def _document_uid(analysis: AnyAnalysed) -> str:
    return str(result_uids(analysis).sop_instance(ResultKind.SR))


def _says_the_same(former: Dataset, analysis: AnyAnalysed, plan: ResultPlan[AnyAnalysed]) -> bool:
    """Whether a document that stands says what would be said now, whichever version of cvai wrote it."""
    with tolerating_values():
        return says(former, _said(analysis, plan))


def _draws_the_same(files: Mapping[str, Path], analysis: AnyAnalysed, drawn: Sequence[DrawnSegments]) -> bool:
    """Whether segmentations that stand under the UIDs of the analysis have its labels.

    ``files`` are those of every result that stands, by SOP Instance UID.
    """
    uids = result_uids(analysis)
    for segments in drawn:
        path = files.get(uids.sop_instance(segments.kind))
        if path is None:
            continue
        former = _labels_of(path, segments)
        if former is None or not _are_equal(former, segments.labels):
            return False
    return True


def _are_equal(former: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bool:
    """Compared phase by phase: a whole comparison would take as much memory as the labels."""
    return former.shape == labels.shape and all(map(np.array_equal, former, labels))


def _labels_of(path: Path, drawn: DrawnSegments) -> NDArray[np.uint8] | None:
    """Labels of a segmentation on the images of another; None where it is of others, or damaged."""
    try:
        return read_labels(path, drawn.planes, drawn.segments)
    except (StudyRefused, InvalidDicomError, *PARSE_ERRORS):
        return None


def _digest(analysis: AnyAnalysed, plan: ResultPlan[AnyAnalysed], drawn: Sequence[DrawnSegments]) -> str:
    said, buffer = _said(replace(analysis, cvai_version=_ANY_VERSION), plan), BytesIO()
    with tolerating_values():
        rename_to_former(said)
        said.save_as(buffer, implicit_vr=False, little_endian=True)
    digest = hashlib.sha256(repr(analysis.patient).encode() + buffer.getvalue())
    for segments in drawn:
        digest.update(np.ascontiguousarray(segments.labels).data)
    return digest.hexdigest()


def _said(analysis: AnyAnalysed, plan: ResultPlan[AnyAnalysed]) -> Dataset:
    """SAID of the document as it would be read back."""
    buffer = BytesIO()
    with tolerating_values():
        document = measurement_document(ResultContext.of(analysis, plan, _ANY_TIME))
        document.save_as(buffer, enforce_file_format=True)
        buffer.seek(0)
        read = dcmread(buffer)
        said = Dataset()
        for keyword in SAID:
            said.add(read[keyword])
        return said
