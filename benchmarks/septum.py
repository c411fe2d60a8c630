"""How far the model's septum points away from that of readers' contours, in ACDC's validation patients.

``python -m benchmarks.septum [--record]``

Segments are counted from it: late enhancement takes its direction from the model's labels of the cine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from benchmarks.labelled_hearts import ACDC, SPLIT
from benchmarks.motion import model_labels
from benchmarks.published import keep
from cvai.domain.geometry import StackGeometry
from cvai.domain.uncertainty import conformal_half_width
from cvai.domain.ventricles.septum import angle_on_image_deg, septum_direction
from cvai.models.folders import model_folder
from cvai.models.sax import SaxSegmenter
from cvai.training.datasets.data import load_split
from cvai.training.datasets.kinds import DatasetKind, open_dataset

CONFIDENCE = 0.9


def differences_deg(segmenter: SaxSegmenter) -> Iterator[tuple[str, float | None]]:
    """Of every patient at end-diastole, from -180 to 180; None where one of them shows no septum."""
    dataset = open_dataset(DatasetKind.ACDC, ACDC)
    for patient in load_split(SPLIT).validation:
        volume = next(volume for volume in dataset.volumes(patient) if volume.phase == "ED")
        geometry = StackGeometry.unplaced(len(volume.labels), volume.spacing_mm)
        (of_model,) = model_labels(segmenter, [volume])
        septa = [septum_direction(labels, geometry) for labels in (of_model, volume.labels)]
        angles_deg = [angle_on_image_deg(septum, geometry) for septum in septa if septum is not None]
        if len(angles_deg) < len(septa):
            yield patient, None
        else:
            yield patient, (angles_deg[0] - angles_deg[1] + 180.0) % 360.0 - 180.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="sax")
    parser.add_argument("--record", action="store_true", help="keep the numbers for the documents")
    asked = parser.parse_args()
    found = dict(differences_deg(SaxSegmenter.load(model_folder(asked.model))))
    off_deg = np.array([difference for difference in found.values() if difference is not None])
    told = {
        "patients": len(off_deg),
        "without a septum": len(found) - len(off_deg),
        "bias, degrees": float(off_deg.mean()),
        "SD, degrees": float(off_deg.std(ddof=1)),
        "90 %, degrees": conformal_half_width(off_deg.tolist(), CONFIDENCE),
        "worst, degrees": float(np.abs(off_deg).max()),
    }
    print(", ".join(f"{name} {value:.1f}" for name, value in told.items()))
    if asked.record:
        keep("septum", told)


if __name__ == "__main__":
    main()
