"""Which earlier measurement documents of cvai a new one takes the place of.

A study that is measured again by another model, or again after late slices have come, then holds two
documents about one cine. The new one names the old one as its predecessor (PS3.3 section C.17.2), so that a
reader is shown the one that holds. What a reader has signed is nothing that software may replace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, SimplifiedAdultEchoSRStorage

from cvai.dicom.read.patient import MANUFACTURER, patient_of
from cvai.dicom.read.values import Document
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.instance import result_uids
from cvai.dicom.write.objects.sr import ECHO_REPORT, MEASUREMENT_REPORT, Supersedes
from cvai.dicom.write.plan import CONTOURS, Extra, ResultKind
from cvai.dicom.write.source import header_uid

_TITLE = "ConceptNameCodeSequence"


def superseded_documents(analysis: Analysed, documents: Sequence[Document]) -> tuple[Supersedes, ...]:
    """Documents that those of ``analysis`` take the place of, each by one of its class and title.

    These are cvai's own about the same series, unsigned, of the same patient, and not replaced by another one
    already. Where the very same document stands in the study, it is made again as it stands. What names
    another patient is withdrawn, see ``cvai.dicom.write.standing.withdrawal``, and no predecessor.

    ``documents`` are all structured reports of the study.
    """
    return tuple(
        superseded
        for kind, sop_class_uid, title in (
            (ResultKind.SR, Comprehensive3DSRStorage, MEASUREMENT_REPORT),
            (CONTOURS, ComprehensiveSRStorage, MEASUREMENT_REPORT),
            (Extra.ECHO_REPORT, ComprehensiveSRStorage, ECHO_REPORT),
            (Extra.SIMPLE_ECHO_REPORT, SimplifiedAdultEchoSRStorage, ECHO_REPORT),
        )
        for superseded in _superseded(analysis, documents, kind, sop_class_uid, title)
    )


def title_of(document: Document) -> str:
    """Code value of a document's title; empty where it has none."""
    return next((str(t.get("CodeValue", "")) for t in _items([document.header], _TITLE)), "")


def _superseded(
    analysis: Analysed, documents: Sequence[Document], kind: str, sop_class_uid: str, title: str
) -> tuple[Supersedes, ...]:
    former = [
        d
        for d in own_documents(documents, sop_class_uid)
        if title_of(d) == title
        and analysis.images.series_uid in _evidence_series(d)
        and not patient_of(d.header).contradicts(analysis.patient)
    ]
    own_uid = result_uids(analysis).sop_instance(kind)
    for document in former:
        if document.sop_instance_uid == own_uid:
            return _predecessors(document)
    replaced = {p.sop_instance_uid for document in documents for p in _predecessors(document)}
    return tuple(
        Supersedes(analysis.study_uid, d.series_uid, d.sop_instance_uid, sop_class_uid, title)
        for d in former
        if d.sop_instance_uid not in replaced
    )


def own_documents(
    documents: Iterable[Document], sop_class_uid: str = Comprehensive3DSRStorage
) -> list[Document]:
    """Documents of cvai that are unsigned: those of measurements, or of another class."""
    return [document for document in documents if _is_ours(document, sop_class_uid)]


def _is_ours(document: Document, sop_class_uid: str) -> bool:
    header = document.header
    return (
        document.sop_class_uid == sop_class_uid
        and header.get("Manufacturer") == MANUFACTURER
        and header.get("VerificationFlag") == "UNVERIFIED"
    )


def _evidence_series(document: Document) -> set[str]:
    studies = _items([document.header], "CurrentRequestedProcedureEvidenceSequence")
    return {
        uid
        for series in _items(studies, "ReferencedSeriesSequence")
        if (uid := header_uid(series, "SeriesInstanceUID"))
    }


def _predecessors(document: Document) -> tuple[Supersedes, ...]:
    return tuple(
        Supersedes(
            header_uid(study, "StudyInstanceUID") or "",
            header_uid(series, "SeriesInstanceUID") or "",
            header_uid(instance, "ReferencedSOPInstanceUID") or "",
            document.sop_class_uid,
            title_of(document),
        )
        for study in _items([document.header], "PredecessorDocumentsSequence")
        for series in _items([study], "ReferencedSeriesSequence")
        for instance in _items([series], "ReferencedSOPSequence")
    )


def _items(parents: Iterable[Dataset], keyword: str) -> list[Dataset]:
    """Items of a sequence in every parent; none where it is absent, or is no sequence."""
    values = (parent.get(keyword) for parent in parents)
    return [item for value in values if isinstance(value, Items) for item in value]
