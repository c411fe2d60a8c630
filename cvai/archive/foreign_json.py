"""JSON that others send: read within a limit, then checked value by value.

Whatever is wrong with the whole is an ``AnswerUnreadable`` or ``AnswerTooLarge``, which ``archive_errors`` of
``cvai.archive.http`` turns into the errors of a port. What is wrong with a part costs that part alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TypeVar

import requests
from pydantic import BaseModel, ConfigDict, ValidationError

from cvai.archive.odd import OddAnswers

M = TypeVar("M", bound=BaseModel)

LARGEST_JSON_BYTES = 64_000_000
"""A list of 50,000 instances; parsed it takes about ten times as much memory."""

CHUNK_BYTES = 1_000_000
LONGEST_NUMBER = 40
"""Characters of a whole number; longer ones are no count of anything."""


class AnswerUnreadable(requests.RequestException):
    """The answer as a whole is not what the protocol says."""


class AnswerTooLarge(requests.RequestException):
    """The answer, or a part of it, is larger than it may be."""


class Foreign(BaseModel):
    """Base of values that are parsed from others' answers: what is not asked for is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @property
    def complete(self) -> bool:
        """Whether it tells all that it was asked for."""
        return True


def body_of(response: requests.Response, largest_bytes: int = LARGEST_JSON_BYTES) -> bytes:
    """The body of an answer that was asked for with ``stream=True``.

    Raises:
        AnswerTooLarge: it is larger than that.
    """
    body = bytearray()
    with response:
        for chunk in response.iter_content(CHUNK_BYTES):
            body += chunk
            if len(body) > largest_bytes:
                raise AnswerTooLarge(f"more than {largest_bytes} bytes of JSON")
    return bytes(body)


def parsed(body: bytes) -> object:
    """A JSON value. A text in another encoding than UTF-8 costs its letters.

    Raises:
        AnswerUnreadable: it is no JSON, or nested too deeply.

    >>> parsed(b'{"a": [1, "b"]}')
    {'a': [1, 'b']}
    """
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), parse_int=_whole_number)
    except (ValueError, RecursionError) as error:
        raise AnswerUnreadable("no JSON") from error


def json_of(response: requests.Response, largest_bytes: int = LARGEST_JSON_BYTES) -> object:
    """The JSON value of an answer; see ``body_of`` and ``parsed`` for what is raised."""
    return parsed(body_of(response, largest_bytes))


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_NUMBER else float("inf")


def parts(
    values: Iterable[object], model: type[M], odd: OddAnswers, protocol: str, **uids: str
) -> Iterator[M]:
    """Those of the values that make sense as ``model``; the others are left out and noted."""
    for value in values:
        try:
            yield model.model_validate(value)
        except ValidationError as error:
            odd.note(protocol, model.__name__, wrong_fields(error), **uids)


def part(value: object, model: type[M], odd: OddAnswers, protocol: str, **uids: str) -> M | None:
    """One value as ``model``; None, and noted, where it makes no sense."""
    return next(parts([value], model, odd, protocol, **uids), None)


def whole(value: object, model: type[M]) -> M:
    """The value as ``model``.

    Raises:
        AnswerUnreadable: it makes no sense as such.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise AnswerUnreadable(f"{model.__name__}: {wrong_fields(error)}") from error


def wrong_fields(error: ValidationError) -> str:
    """Which fields are wrong and how, without what they hold."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return ", ".join(sorted({f"{'.'.join(str(p) for p in e['loc'][:1])} {e['type']}".strip() for e in found}))
