"""What is wrong with the keys of a configuration file, in words that lead to the line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError

_TABLE, _KEY = re.compile(r"\s*\[+\s*([\w.-]+)\s*\]+"), re.compile(r"\s*([\w.-]+)\s*=")


def worded(error: ValidationError, model: type[BaseModel], text: str = "") -> str:
    """Every wrong key with its line and, where it is unknown, the nearest known one; never a value.

    Args:
        error: of the model.
        model: what the file was checked against.
        text: of the file; keys that it does not hold are named without a line.
    """
    known = list(_names(model))
    return "; ".join(
        _one(".".join(map(str, e["loc"])), e["type"] == "extra_forbidden", e["msg"], known, text)
        for e in error.errors()
    )


def _one(name: str, is_unknown: bool, message: str, known: list[str], text: str) -> str:
    line = line_of(name, text)
    where = name if line is None else f"line {line}, {name}"
    if not is_unknown:
        return f"{where}: {message.removeprefix('Value error, ')}"
    nearest = get_close_matches(name, known, n=1)
    return f"{where}: no such key" + (f", the nearest is {nearest[0]}" if nearest else "")


def _names(model: type[BaseModel], table: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{table}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{table}{name}.")


def line_of(name: str, text: str) -> int | None:
    """1-based line of a TOML file with a dotted key or the table of this name; None where there is none.

    >>> line_of("review.address", "threads = 2\\n[review]\\naddress = 5\\n")
    3
    """
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _TABLE.match(line):
            table = found[1]
            if table == name:
                return number
        elif (found := _KEY.match(line)) and ".".join(filter(None, (table, found[1]))) == name:
            return number
    return None
