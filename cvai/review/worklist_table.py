"""The worklist as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import replace

from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write.report.document import readable_date, readable_time
from cvai.review.listing import Row

COLUMNS = (
    *("patient", "patient_id", "birth_date", "sex", "study_date", "description", "accession_number"),
    *("study_uid", "analysis", "model", "quantity", "value", "unit", "low", "high", "signed_value"),
    *("warnings", "state", "reader", "code", "message", "arrived"),
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is computed by spreadsheets."""


def worklist_csv(rows: Iterable[Row], names: Mapping[str, str]) -> str:
    """A line for each analysis of a study, in the order of the rows; ``names`` of readers by short name."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        named = replace(row, reader=names.get(row.reader, row.reader))
        writer.writerow([_harmless(value) for value in _values(named)])
    return text.getvalue()


def _values(row: Row) -> tuple[object, ...]:
    identity, patient, main = row.identity, row.identity.patient, row.main
    interval = (None, None) if main is None or main.interval is None else main.interval
    return (
        readable_name(patient.name),
        patient.patient_id,
        readable_date(patient.birth_date),
        patient.sex,
        readable_date(identity.study_date),
        identity.description,
        identity.accession,
        row.study_uid,
        row.kind,
        row.model,
        row.headline.name
        if row.headline is not None and (main is not None or row.signed is not None)
        else None,
        None if main is None else main.value,
        None if main is None else main.unit,
        *interval,
        row.signed,
        row.n_warnings,
        str(row.state),
        row.reader,
        row.code,
        row.message,
        readable_time(row.queued_at),
    )


def _harmless(value: object) -> object:
    """A text that no spreadsheet takes for a formula.

    >>> _harmless("=1+1"), _harmless(-1.5)
    ("'=1+1", -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
