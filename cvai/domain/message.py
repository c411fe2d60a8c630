"""Sentences that keep what they were made from, so that they can be said in another language.

A ``Message`` is the English sentence itself: whatever expects a str goes on with it. Only messages are
translated; a plain str within one, such as a name or a unit, is the same in every language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self, SupportsFloat, SupportsIndex

Value = str | int | float
"""What stands in a message: another message, a plain str or a number."""


class Message(str):
    """An English sentence, or a part of one, with its template and the values in it.

    Args:
        template: English, with fields as of ``str.format`` by name, such as ``{ef_percent:.0f}``.
        values: of its fields, by name.

    Raises:
        KeyError: a field has no value.
    """

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, Value]

    def __new__(cls, template: str, values: Mapping[str, Value] = MappingProxyType({})) -> Self:
        """The sentence, which is not checked against the catalogues."""
        message = super().__new__(cls, template.format(**values))
        message.template = template
        message.values = MappingProxyType(dict(values))
        return message

    def __reduce__(self) -> tuple[type[Message], tuple[str, dict[str, Value]]]:
        return Message, (self.template, dict(self.values))


def say(template: str, /, **values: str | SupportsFloat | SupportsIndex) -> Message:
    """A message; templates are literals where this is called, so that they are found for the catalogues.

    >>> message = say("The {side} ventricle ejects {ef_percent:.0f} %.", side=say("left"), ef_percent=54.7)
    >>> message
    'The left ventricle ejects 55 %.'
    >>> message.template, dict(message.values)
    ('The {side} ventricle ejects {ef_percent:.0f} %.', {'side': 'left', 'ef_percent': 54.7})
    """
    return Message(template, {name: _plain(value) for name, value in values.items()})


def term(text: str) -> Message:
    """A word of a table, such as the name of a structure, which is in the catalogues with its table."""
    return Message(text.replace("{", "{{").replace("}", "}}"))


def joined(separator: str, parts: Iterable[str | int]) -> Message:
    """Parts one after another; the separator is the same in every language.

    >>> joined(", ", ["3", "4"])
    '3, 4'
    """
    values = {f"part{place}": part for place, part in enumerate(parts)}
    return Message(separator.join(f"{{{name}}}" for name in values), values)


def listed(parts: Iterable[str | int]) -> Message:
    """Parts as people list them.

    >>> listed([3, 4, 5])
    '3, 4 and 5'
    """
    *first, last = parts
    return say("{items} and {last}", items=joined(", ", first), last=last) if first else joined("", [last])


def linked(parts: Iterable[str]) -> Message:
    """Parts with "and" between them all, where commas would be unclear.

    >>> linked(["a FrameTime of 20 ms", "a CineRate of 30/s"])
    'a FrameTime of 20 ms and a CineRate of 30/s'
    """
    first, *others = parts
    message = joined("", [first])
    for other in others:
        message = say("{items} and {last}", items=message, last=other)
    return message


def translated(text: str, translate: Callable[[str], str]) -> str:
    """A message, or a sentence without values, in another language.

    Args:
        text: English.
        translate: gives a template in that language, or the English one where it has none.

    >>> german = {"left": "linke", "The {side} ventricle.": "Der {side} Ventrikel."}
    >>> translated(say("The {side} ventricle.", side=say("left")), german.__getitem__)
    'Der linke Ventrikel.'
    """
    if not isinstance(text, Message):
        return translate(text)
    values = {
        name: translated(value, translate) if isinstance(value, Message) else value
        for name, value in text.values.items()
    }
    return _translate_template(text.template, translate).format(**values)


def message_record(text: str) -> dict[str, Any] | None:
    """A message as JSON states it; None for a plain str, which is all that is known of it."""
    if not isinstance(text, Message):
        return None
    values = {
        name: message_record(value) if isinstance(value, Message) else value
        for name, value in text.values.items()
    }
    return {"template": text.template, "values": values}


def message_of(record: Mapping[str, Any]) -> Message:
    """The message that ``message_record`` stated.

    >>> message_of(message_record(say("{count} slices", count=3)))
    '3 slices'
    """
    values = {
        name: message_of(value) if isinstance(value, dict) else value
        for name, value in record["values"].items()
    }
    return Message(record["template"], values)


def stored_text(text: str) -> str | dict[str, Any]:
    """A text as JSON keeps it: a message by its record, a plain str as it stands."""
    return message_record(text) or str(text)


def text_of(stored: str | Mapping[str, Any]) -> str:
    """The text that ``stored_text`` keeps.

    >>> text_of(stored_text(say("{count} slices", count=3))), text_of("a slice")
    ('3 slices', 'a slice')
    """
    return stored if isinstance(stored, str) else message_of(stored)


_FIELD = re.compile(r"\{[^{}]*\}")


def has_words(template: str) -> bool:
    """Whether there is anything to translate between the fields of a template.

    >>> has_words("{part0}, {part1}"), has_words("{count} slices")
    (False, True)
    """
    return any(letter.isalpha() for letter in _FIELD.sub("", template))


def _translate_template(template: str, translate: Callable[[str], str]) -> str:
    return translate(template) if has_words(template) else template


def _plain(value: str | SupportsFloat | SupportsIndex) -> Value:
    """A value as JSON can state it: NumPy's numbers become Python's."""
    if isinstance(value, Message) or type(value) in (str, int, float):
        return value  # type: ignore[return-value]
    if isinstance(value, str):
        return str(value)
    return value.__index__() if isinstance(value, SupportsIndex) else float(value)
