"""Sentences that can be said in another language."""

import copy
from collections.abc import Callable

import numpy as np
import pytest

from cvai.domain.findings import Finding, Severity
from cvai.domain.message import joined, listed, message_of, message_record, say, term, translated

GERMAN = {
    "The {structure} is torn in {slices}.": "{structure}: in {slices} zerrissen.",
    "slices {numbers}": "den Schichten {numbers}",
    "{items} and {last}": "{items} und {last}",
    "left ventricle": "linker Ventrikel",
    "No slice is torn.": "Keine Schicht ist zerrissen.",
}


def german(template: str) -> str:
    return GERMAN.get(template, template)


TORN = say(
    "The {structure} is torn in {slices}.",
    structure=term("left ventricle"),
    slices=say("slices {numbers}", numbers=listed([3, 4, 5])),
)


def test_a_message_is_its_english_sentence() -> None:
    assert TORN == "The left ventricle is torn in slices 3, 4 and 5."
    assert f"{TORN} [code]".startswith("The left ventricle")
    assert Finding("torn", Severity.WARNING, TORN) == Finding("torn", Severity.WARNING, str(TORN))


def test_parts_of_a_message_are_translated_with_it() -> None:
    assert translated(TORN, german) == "linker Ventrikel: in den Schichten 3, 4 und 5 zerrissen."


def test_a_plain_string_in_a_message_is_the_same_in_every_language() -> None:
    message = say("The {structure} is torn in {slices}.", structure="left ventricle", slices="x")
    assert translated(message, german) == "left ventricle: in x zerrissen."


def test_a_sentence_without_values_is_looked_up_as_it_stands() -> None:
    assert translated("No slice is torn.", german) == "Keine Schicht ist zerrissen."
    assert translated("A sentence of an older version.", german) == "A sentence of an older version."


def test_a_separator_is_not_looked_up() -> None:
    def refuse(template: str) -> str:
        raise AssertionError(template)

    assert translated(joined("; ", ["a4c", "a2c"]), refuse) == "a4c; a2c"


@pytest.mark.parametrize(
    "value", [np.float32(0.5), np.int64(3), np.float64(2.25), 7, 1.5, True], ids=lambda v: type(v).__name__
)
def test_numbers_come_back_from_json_as_they_were_said(value: float) -> None:
    message = say("{value:.2f} mL", value=value)
    record = message_record(message)
    assert record is not None
    again = message_of(record)
    assert (again, again.template, again.values) == (message, message.template, message.values)
    assert type(message.values["value"]) in (int, float)


def test_braces_of_a_term_are_no_fields() -> None:
    assert term("a {name}") == "a {name}"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_as_good_as_the_message(copied: Callable[[str], str]) -> None:
    assert message_record(copied(TORN)) == message_record(TORN)


def test_of_a_plain_sentence_nothing_more_is_known() -> None:
    assert message_record("A sentence.") is None
