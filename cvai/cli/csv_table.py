"""Results of many studies as one table: a row for each analysis of a study."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_FIRST = ("study_uid", "analysis", "status", "refused", "findings", "view", "model", "version")


def write_csv(path: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write every analysis of these ``result.json``; a study that holds nothing to measure has a row as well.

    A measurement has a column with its unit, such as ``lv_ef [%]``, and two more for its interval where there
    is one. ``refused`` and ``findings`` hold codes. No column tells who the patient is.
    """
    rows = [row for result in results for row in _rows(result)]
    columns = dict.fromkeys(_FIRST) | dict.fromkeys(column for row in rows for column in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)


def _rows(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    study = {"study_uid": result["study_uid"]}
    if not result["analyses"]:
        yield study | {"status": result["status"], "refused": result["refused"]["code"]}
    for analysis in result["analyses"]:
        yield study | _of_analysis(analysis)


def _of_analysis(analysis: Mapping[str, Any]) -> dict[str, Any]:
    model, refused = analysis["model"] or {}, analysis["refused"] or {}
    row = {
        "analysis": analysis["kind"],
        "status": analysis["status"],
        "refused": refused.get("code"),
        "findings": " ".join(dict.fromkeys(finding["code"] for finding in analysis["findings"])),
        "view": analysis["view"],
        "model": model.get("name"),
        "version": model.get("version"),
    }
    for measurement in analysis["measurements"]:
        name, unit = measurement["name"], measurement["unit"]
        row[f"{name} [{unit}]"] = measurement["value"]
        if measurement["interval"] is not None:
            row[f"{name} low"], row[f"{name} high"] = measurement["interval"]
    return row
