"""Whether two data sets say the same, whichever version of cvai and which runtime they were made with."""

from __future__ import annotations

from pydicom import DataElement, Dataset

HOW_KEYWORDS = frozenset({"AlgorithmParameters"})
"""Of a segment: digest of the model and the runtime; the model is named beside it."""

HOW_CONCEPTS = frozenset({"111002", "121013"})
"""Algorithm Parameters and Device Observer Name (PS3.16 annex D): the version of cvai stands in both."""

QUALITY_FINDING = "111052"
"""CodeValue of the concept that names quality findings."""

FORMER_FINDING = ("121071", "Finding")
"""CodeValue and CodeMeaning of the concept that named them in documents of earlier versions."""


def says(theirs: Dataset, expected: Dataset) -> bool:
    """Whether a data set has every element of another one with what it says; it may have more."""
    return all(
        element.tag in theirs and is_same_element(theirs[element.tag], element)
        for element in expected
        if element.keyword not in HOW_KEYWORDS
    )


def is_same_element(theirs: DataElement, expected: DataElement) -> bool:
    """Whether two elements of one tag say the same; quality findings may have their former name in theirs."""
    if expected.VR != "SQ" or theirs.VR != "SQ":
        return bool(theirs.value == expected.value)
    if expected.keyword == "ConceptNameCodeSequence" and _is_former_name(theirs, expected):
        return True
    first, second = ([item for item in element.value if not _is_how(item)] for element in (theirs, expected))
    return len(first) == len(second) and all(map(says, first, second))


def rename_to_former(document: Dataset) -> None:
    """Give the quality findings of a document their former name, under which digests were made of them."""
    for container in document.ContentSequence:
        for item in container.get("ContentSequence") or ():
            for concept in item.get("ConceptNameCodeSequence") or ():
                if concept.get("CodeValue") == QUALITY_FINDING:
                    concept.CodeValue, concept.CodeMeaning = FORMER_FINDING


def _is_former_name(theirs: DataElement, expected: DataElement) -> bool:
    values = [[concept.get("CodeValue") for concept in element.value] for element in (theirs, expected)]
    return values == [[FORMER_FINDING[0]], [QUALITY_FINDING]]


def _is_how(item: Dataset) -> bool:
    concepts = item.get("ConceptNameCodeSequence") or ()
    return any(concept.get("CodeValue") in HOW_CONCEPTS for concept in concepts)
