"""The block of a report that says whose heart it is: names may be shortened, identifiers never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cvai.dicom.read.patient import Patient
from cvai.dicom.write.report.page import BLACK, GREY, LIGHT, Page, Stroke, fitted, narrowed_pt
from cvai.domain.message import say

TOP, BOTTOM = 30.0, 50.0
_FIRST_LABEL, _ROW_MM, _VALUE_MM = 34.0, 9.0, 4.2
_LONG_BASELINE = 52.8
"""Of the line below the block, for an identifier that is too long for its cell."""

_LABEL_PT, _VALUE_PT, _LONG_PT = 6.5, 8.5, 7.0
_SMALLEST_PT = 6.0
"""Smaller is hard to read on paper."""

IN_FULL_BELOW = say("in full below")


@dataclass(frozen=True, slots=True)
class Cell:
    """One value with its label.

    Args:
        label: what it is.
        value: empty where it is not stated.
        is_identifier: printed in full whatever its length; other values are shortened to their cell.
    """

    label: str
    value: str
    is_identifier: bool = False


def patient_id_cell(patient: Patient) -> Cell:
    """PatientID, with who issued it as far as that is stated: only together they name one patient."""
    issuer = patient.issuer or patient.issuer_uid
    if not (patient.patient_id and issuer):
        return Cell(say("Patient ID"), patient.patient_id, is_identifier=True)
    return Cell(say("Patient ID (issuer)"), f"{patient.patient_id} ({issuer})", is_identifier=True)


def draw_identity(page: Page, lefts: Sequence[float], right: float, cells: Sequence[Cell]) -> None:
    """Draw the cells in rows of as many as there are left edges, in mm."""
    page.line([(lefts[0], TOP), (right, TOP)], Stroke(BLACK, 0.8))
    page.line([(lefts[0], BOTTOM), (right, BOTTOM)], Stroke(LIGHT, 0.6))
    too_long: list[Cell] = []
    said = (replace(cell, label=page.said(cell.label), value=page.said(cell.value)) for cell in cells)
    for place, cell in enumerate(said):
        column, row = place % len(lefts), place // len(lefts)
        text, size_pt = _fitted(cell, (*lefts, right + 2)[column + 1] - lefts[column] - 2)
        if text == IN_FULL_BELOW:
            too_long.append(cell)
        label_y = _FIRST_LABEL + row * _ROW_MM
        room = (*lefts, right + 2)[column + 1] - lefts[column] - 2
        page.text(lefts[column], label_y, cell.label, _LABEL_PT, colour=GREY, width=room)
        page.text(lefts[column], label_y + _VALUE_MM, text, size_pt)
    if too_long:
        text = "    ".join(f"{cell.label}: {cell.value}" for cell in too_long)
        page.text(lefts[0], _LONG_BASELINE, text, narrowed_pt(text, _LONG_PT, right - lefts[0]))


def _fitted(cell: Cell, width: float) -> tuple[str, float]:
    """What stands in a cell, and its size: smaller where it is long, not all of it where it is too long."""
    text = cell.value or "–"
    size_pt = narrowed_pt(text, _VALUE_PT, width)
    if size_pt >= _SMALLEST_PT:
        return text, size_pt
    return IN_FULL_BELOW if cell.is_identifier else fitted(text, _SMALLEST_PT, width), _SMALLEST_PT
