"""What the ultrasound model gets wrong on average, on its training patients: ``echo_correction``.

They tell how far it is off on others too as long as it does not remember them: compare with what
``cvai evaluate`` prints (models/echo/MODEL_CARD.md says how that went). Prints the [correction] section of
card.toml: the factor of end-systolic volumes that makes the mean of what is left in the ventricle, ESV over
EDV, that of the stated ejection fractions.
Usage: python -m benchmarks.echo_correction [--model echo] [--write]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tomlkit
from rich.progress import track

from cvai.models.card import CARD_FILE, load_card
from cvai.models.echo import EchoSegmenter
from cvai.models.folders import model_folder
from cvai.training.datasets.data import data_root, load_split
from cvai.training.tasks.echo.camus import load_camus_patient
from cvai.training.tasks.echo.evaluation.record import METHODS
from cvai.training.tasks.echo.evaluation.run import SPLIT
from cvai.training.tasks.echo.evaluation.scores import PatientScore, patient_score, score_patients
from cvai.training.tasks.echo.reference import load_references


def uncorrected(names: Sequence[str], root: Path, segmenter: EchoSegmenter) -> list[PatientScore]:
    """Patients as the labels alone give them."""
    references = load_references(root)
    frames = (load_camus_patient(root, name) for name in track(names))
    by_patient = score_patients(frames, references, segmenter)
    return [patient_score(scores, references[scores[0].patient]) for scores in by_patient]


def esv_factor(measured_percent: np.ndarray, stated_percent: np.ndarray) -> float:
    """Mean share left in the ventricle, stated over measured."""
    return float((100.0 - stated_percent).mean() / (100.0 - measured_percent).mean())


def write_correction(folder: Path, patients: int, esv_factors: dict[str, float]) -> None:
    """Put the factors into the card of a model folder; everything else in it stays as it is."""
    path = folder / CARD_FILE
    card = tomlkit.parse(path.read_text(encoding="utf-8"))
    card["correction"] = {"patients": patients, "esv_factors": esv_factors}
    path.write_text(tomlkit.dumps(card), encoding="utf-8")
    load_card(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="echo", help="name of an installed model, or a model folder")
    parser.add_argument("--write", action="store_true", help="put the factors into the model's card")
    asked = parser.parse_args()
    folder = model_folder(asked.model)
    segmenter = EchoSegmenter.load(folder)
    patients = uncorrected(load_split(SPLIT).train, data_root() / "camus", segmenter)
    factors = {}
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
        factors[method] = round(esv_factor(measured, stated), 4)
        name = "lv_ef" if method == "biplane" else f"lv_ef_{method}"
        if segmenter.uncertainty is not None:
            corrected = 100.0 - (100.0 - measured) * factors[method]
            within = np.abs(corrected - stated) <= segmenter.uncertainty.half_widths[name]
            print(f"#   with the factor the card's interval holds {100 * within.mean():.1f} %")
    print(f"\n[correction]\npatients = {len(patients)}\n\n[correction.esv_factors]")
    for method, factor in factors.items():
        print(f"{method} = {factor}")
    if asked.write:
        write_correction(folder, len(patients), factors)


if __name__ == "__main__":
    main()
