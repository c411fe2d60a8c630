from __future__ import annotations

from pydicom import Dataset

from cvai.dicom.read.header.statements import says


def item(concept: str, text: str, *below: Dataset) -> Dataset:
    name, made = Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator = concept, "DCM"
    made.ConceptNameCodeSequence = [name]
    made.TextValue = text
    made.ContentSequence = list(below)
    return made


def document(*items: Dataset) -> Dataset:
    made = Dataset()
    made.ContentSequence = list(items)
    return made


def test_what_is_said_is_compared_at_every_depth() -> None:
    first = document(item("1", "a", item("2", "b")), item("3", "c"))
    assert says(first, document(item("1", "a", item("2", "b")), item("3", "c")))
    for other in (
        document(item("1", "a", item("2", "B")), item("3", "c")),
        document(item("1", "a", item("2", "b"))),
        document(item("1", "a"), item("3", "c")),
        document(item("9", "a", item("2", "b")), item("3", "c")),
    ):
        assert not says(first, other)


def test_with_what_it_was_made_is_not() -> None:
    first = document(item("121013", "cvai 1"), item("1", "a", item("111002", "cvai 1")))
    assert says(first, document(item("121013", "cvai 2"), item("1", "a", item("111002", "cvai 2"))))
    segment, other = Dataset(), Dataset()
    segment.AlgorithmName, segment.AlgorithmParameters = "sax", "cpu"
    other.AlgorithmName, other.AlgorithmParameters = "sax", "gpu"
    assert says(segment, other)


def test_quality_findings_may_have_their_former_name() -> None:
    now = document(item("1", "a", item("111052", "b")))
    assert says(document(item("1", "a", item("121071", "b"))), now)
    assert not says(document(item("1", "a", item("121071", "c"))), now)
    assert not says(document(item("1", "a", item("121106", "b"))), now)
    assert not says(now, document(item("1", "a", item("121106", "b"))))


def test_what_an_archive_has_added_contradicts_nothing() -> None:
    theirs = document(item("1", "a"))
    theirs.RetrieveAETitle = "ARCHIVE"
    assert says(theirs, document(item("1", "a")))
    assert not says(document(item("1", "a")), theirs)
