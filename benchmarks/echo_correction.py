"""What the ultrasound model gets wrong on average, on its training patients: ``echo_correction``.

Its errors on the patients it was trained on are as large as on others (models/echo/MODEL_CARD.md), so they
tell how far it is off. Prints the [correction] section of card.toml: the factor of end-systolic volumes that
makes the mean of what is left in the ventricle, ESV over EDV, that of the stated ejection fractions.
Usage: python -m benchmarks.echo_correction
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from cvai.inference.echo import EchoSegmenter
from cvai.inference.models import model_folder
from cvai.training.data import data_root, load_split
from cvai.training.echo.camus import load_camus_patient
from cvai.training.echo.evaluation import PatientScore, patient_score, score_patients
from cvai.training.echo.record import METHODS
from cvai.training.echo.reference import load_references
from cvai.training.echo.run import SPLIT


def uncorrected(names: Sequence[str], root: Path, segmenter: EchoSegmenter) -> list[PatientScore]:
    """Patients as the labels alone give them."""
    references = load_references(root)
    frames = (load_camus_patient(root, name) for name in track(names))
    by_patient = score_patients(frames, references, segmenter)
    return [patient_score(scores, references[scores[0].patient]) for scores in by_patient]


def esv_factor(measured_percent: np.ndarray, stated_percent: np.ndarray) -> float:
    """Mean share left in the ventricle, stated over measured."""
    return float((100.0 - stated_percent).mean() / (100.0 - measured_percent).mean())


def main() -> None:
    segmenter = EchoSegmenter.load(model_folder("echo"))
    patients = uncorrected(load_split(SPLIT).train, data_root() / "camus", segmenter)
    lines = []
    for method in METHODS:
        of_method = [p for p in patients if method in p.measured]
        measured = np.array([p.measured[method].ef_percent for p in of_method])
        stated = np.array([p.stated_ef_percent for p in of_method])
        errors = measured - stated
        r = np.corrcoef(measured, stated)[0, 1]
        print(
            f"# {method}: n {len(errors)}, bias {errors.mean():+.2f}, SD {errors.std(ddof=1):.2f}, "
            f"MAE {np.abs(errors).mean():.2f}, r {r:.3f}"
        )
        factor = esv_factor(measured, stated)
        lines.append(f"{method} = {factor:.4f}")
        name = "lv_ef" if method == "biplane" else f"lv_ef_{method}"
        if segmenter.uncertainty is not None:
            corrected = 100.0 - (100.0 - measured) * factor
            within = np.abs(corrected - stated) <= segmenter.uncertainty.half_widths[name]
            print(f"#   with the factor the card's interval holds {100 * within.mean():.1f} %")
    print(f"\n[correction]\npatients = {len(patients)}\n\n[correction.esv_factors]", *lines, sep="\n")


if __name__ == "__main__":
    main()
