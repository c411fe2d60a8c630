"""Reads JSON of other systems within a size limit and validates each value.

A response that is invalid as a whole raises ``AnswerUnreadable`` or ``AnswerTooLarge``, which
``cvai.archive.http.archive_errors`` maps to the errors of a port. Invalid parts are skipped individually.
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
"""Digits of an integer; longer ones become infinity."""


class AnswerUnreadable(requests.RequestException):
    """The response does not conform to the protocol."""


class AnswerTooLarge(requests.RequestException):
    """The response, or a part of it, exceeds the limit."""


class Foreign(BaseModel):
    """Base of models for foreign JSON; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @property
    def complete(self) -> bool:
        """Whether all requested attributes are present."""
        return True


def body_of(response: requests.Response, largest_bytes: int = LARGEST_JSON_BYTES) -> bytes:
    """The body of a response requested with ``stream=True``.

    Raises:
        AnswerTooLarge: the body is larger than ``largest_bytes``.
    """
    body = bytearray()
    with response:
        for chunk in response.iter_content(CHUNK_BYTES):
            body += chunk
            if len(body) > largest_bytes:
                raise AnswerTooLarge(f"more than {largest_bytes} bytes of JSON")
    return bytes(body)


def parsed(body: bytes) -> object:
    """A JSON value; bytes that are not UTF-8 are replaced.

    Raises:
        AnswerUnreadable: the body is not JSON, or nested too deeply.

    >>> parsed(b'{"a": [1, "b"]}')
    {'a': [1, 'b']}
    """
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), parse_int=_whole_number)
    except (ValueError, RecursionError) as error:
        raise AnswerUnreadable("no JSON") from error


def json_of(response: requests.Response, largest_bytes: int = LARGEST_JSON_BYTES) -> object:
    """The JSON value of a response; raises as ``body_of`` and ``parsed``."""
    return parsed(body_of(response, largest_bytes))


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_NUMBER else float("inf")


def parts(
    values: Iterable[object], model: type[M], odd: OddAnswers, protocol: str, **uids: str
) -> Iterator[M]:
    """The values that validate as ``model``; the others are skipped and counted."""
    for value in values:
        try:
            yield model.model_validate(value)
        except ValidationError as error:
            odd.note(protocol, model.__name__, wrong_fields(error), **uids)


def part(value: object, model: type[M], odd: OddAnswers, protocol: str, **uids: str) -> M | None:
    """One value as ``model``; None, and counted, where it is invalid."""
    return next(parts([value], model, odd, protocol, **uids), None)


def whole(value: object, model: type[M]) -> M:
    """The value as ``model``.

    Raises:
        AnswerUnreadable: the value is invalid.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise AnswerUnreadable(f"{model.__name__}: {wrong_fields(error)}") from error


def wrong_fields(error: ValidationError) -> str:
    """The invalid fields and kinds of error, without their values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return ", ".join(sorted({f"{'.'.join(str(p) for p in e['loc'][:1])} {e['type']}".strip() for e in found}))
