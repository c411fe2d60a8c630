"""A table of reference values: one row a study, one column a measurement."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from cvai.dicom.write.codes import MEASUREMENT_CODES
from cvai.errors import ConfigurationInvalid

KEYS = {"study_uid": "StudyInstanceUID", "accession_number": "AccessionNumber"}
"""Column that names the study, and the attribute that it holds."""


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """Reference values of a site.

    Args:
        keyword: attribute of the images that names a study in the table.
        values: by this attribute's value, then by name of measurement, in the units of result.json.
    """

    keyword: str
    values: Mapping[str, Mapping[str, float]]


def read_table(path: Path) -> ReferenceTable:
    """Read a CSV file with a header; empty cells state nothing.

    Cells are separated by commas, semicolons or tabs; where commas separate no cells, one may stand for the
    decimal point.

    Raises:
        ConfigurationInvalid: ``reference_table_invalid``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _invalid(f"{path.name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _invalid("it is not UTF-8") from error
    lines = text.splitlines()
    delimiter = max(",;\t", key=(lines[0] if lines else "").count)
    point = "." if delimiter == "," else ","
    rows = csv.DictReader(lines, delimiter=delimiter)
    columns = rows.fieldnames or []
    key = next((name for name in columns if name in KEYS), None)
    if key is None:
        raise _invalid(f"no column is called {' or '.join(KEYS)}")
    names = [name for name in columns if name != key]
    if unknown := [name for name in names if name not in MEASUREMENT_CODES]:
        raise _invalid(f"there are no measurements {', '.join(map(repr, unknown))}")
    values: dict[str, dict[str, float]] = {}
    for number, row in enumerate(rows, start=2):
        study = (row[key] or "").strip()
        if not study or study in values or None in row:
            raise _invalid(f"line {number} names no study, one named before, or has too many cells")
        stated = {name: row[name].strip().replace(point, ".") for name in names if (row[name] or "").strip()}
        values[study] = {name: _value(text, name, number) for name, text in stated.items()}
    return ReferenceTable(KEYS[key], values)


def _value(text: str, name: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise _invalid(f"line {line}: {name} is no number")
    return value


def _invalid(what: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        "reference_table_invalid",
        f"The table of reference values cannot be used: {what}.",
        "Its columns are study_uid or accession_number, and measurements by their names in result.json.",
    )
