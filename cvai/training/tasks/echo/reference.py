"""What CAMUS states beside its contours: ejection fraction, image quality, size of the frames."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from cvai.errors import ConfigurationInvalid


@dataclass(frozen=True, slots=True)
class PatientReference:
    """One patient.

    Args:
        patient: id in the data set.
        ef_percent: ejection fraction, biplane, of the reference contours.
        image_quality: ``Good``, ``Medium`` or ``Poor``.
        sex: ``M`` or ``F``.
        size_mm: (height, width) of the four-chamber frames before they were squeezed, None where not listed.
        age_years: None where not listed.
    """

    patient: str
    ef_percent: float
    image_quality: str
    sex: str
    size_mm: tuple[float, float] | None
    age_years: float | None = None

    def spacing_mm(self, shape: tuple[int, int]) -> tuple[float, float] | None:
        """(between rows, between columns) of a frame of ``shape``.

        The size of the two-chamber frames is not known; that of the four-chamber frames stands for it.
        """
        if self.size_mm is None:
            return None
        return self.size_mm[0] / shape[0], self.size_mm[1] / shape[1]


def load_references(root: Path) -> dict[str, PatientReference]:
    """Every patient of ``patients.csv``, with sizes from ``shape_4ch.csv``.

    Raises:
        ConfigurationInvalid: a table is missing.
    """
    try:
        patients, shapes = (_rows(root / name) for name in ("patients.csv", "shape_4ch.csv"))
    except OSError as error:
        raise ConfigurationInvalid(
            "data_missing",
            f"{root.name} lacks {Path(error.filename or '').name}.",
            "Point CVAI_DATA at the folder that holds CAMUS (see data/README.md).",
        ) from error
    sizes_mm = {
        row["patient"]: (int(row["ny"]) * float(row["sy_mm"]), int(row["nx"]) * float(row["sx_mm"]))
        for row in shapes
        if row["file"].endswith("4CH_ED.nii")
    }
    return {
        row["Patient"]: PatientReference(
            patient=row["Patient"],
            ef_percent=float(row["EF"]),
            image_quality=row["ImageQuality"],
            sex=row["Sex"],
            size_mm=sizes_mm.get(row["Patient"]),
            age_years=float(row["Age"]) if row.get("Age") else None,
        )
        for row in patients
    }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
