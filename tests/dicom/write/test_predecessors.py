"""Which of a study's documents a new measurement document takes the place of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from pydicom import Dataset

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.read.values import Document
from cvai.dicom.write.objects.sr import measurement_document
from cvai.dicom.write.standing.predecessors import superseded_documents
from tests.dicom.write.synthetic import context_of, make_analysis

SHAPE = (2, 3, 24, 40)


def analysis_by(release: int) -> CineAnalysis:
    """The same study, measured by one release of a model or another."""
    analysis = make_analysis(SHAPE)
    return replace(analysis, model=replace(analysis.model, sha256=f"{release:064x}"))


def document_by(release: int, standing: Sequence[Document] = ()) -> Document:
    """The document of a release, made while others stood in the study."""
    analysis = analysis_by(release)
    predecessors = superseded_documents(analysis, standing)
    header = measurement_document(context_of(analysis), predecessors)
    return Document(
        str(header.SeriesInstanceUID), str(header.SOPClassUID), str(header.SOPInstanceUID), header
    )


def superseded_by(document: Document) -> list[str]:
    """Written out independently of the code under test."""
    return [
        instance.ReferencedSOPInstanceUID
        for study in document.header.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]


def test_the_first_document_supersedes_nothing() -> None:
    assert superseded_by(document_by(1)) == []


def test_another_model_supersedes_by_study_series_and_instance() -> None:
    first = document_by(1)
    second = document_by(2, [first])
    assert second.sop_instance_uid != first.sop_instance_uid
    assert superseded_by(second) == [first.sop_instance_uid]
    (study,) = second.header.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == first.header.StudyInstanceUID
    assert study.ReferencedSeriesSequence[0].SeriesInstanceUID == first.series_uid


def test_only_the_document_that_still_holds_is_superseded() -> None:
    first = document_by(1)
    second = document_by(2, [first])
    assert superseded_by(document_by(3, [first, second])) == [second.sop_instance_uid]


@pytest.mark.slow
@pytest.mark.parametrize("release", [1, 2])
def test_what_stands_is_made_again_as_it_stands(release: int) -> None:
    """So a service that goes back to an earlier model starts no circle of predecessors."""
    first = document_by(1)
    standing = [first, document_by(2, [first])]
    again = document_by(release, standing)
    assert again.header == standing[release - 1].header


def signed(header: Dataset) -> None:
    header.VerificationFlag = "VERIFIED"


def of_another_maker(header: Dataset) -> None:
    header.Manufacturer = "Another"


def about_another_series(header: Dataset) -> None:
    header.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2"


def without_evidence(header: Dataset) -> None:
    header.CurrentRequestedProcedureEvidenceSequence = []


def with_evidence_that_is_none(header: Dataset) -> None:
    del header.CurrentRequestedProcedureEvidenceSequence
    header.add_new("CurrentRequestedProcedureEvidenceSequence", "LO", "none")


@pytest.mark.parametrize(
    "edit", [signed, of_another_maker, about_another_series, without_evidence, with_evidence_that_is_none]
)
def test_what_is_not_ours_to_replace_stays(edit: Callable[[Dataset], None]) -> None:
    first = document_by(1)
    edit(first.header)
    assert superseded_by(document_by(2, [first])) == []


@pytest.mark.slow
def test_a_document_that_a_signed_one_has_replaced_is_not_replaced_again() -> None:
    first = document_by(1)
    second = document_by(2, [first])
    signed(second.header)
    assert superseded_by(document_by(3, [first, second])) == []
