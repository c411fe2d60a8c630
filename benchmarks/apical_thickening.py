"""Whether contours of apical views tell how the wall moves: its thickening by readers' contours in CAMUS.

``python -m benchmarks.apical_thickening [--record]``

Each view shows two walls, and each wall is cut into three levels along the long axis. Thickness is counted
along lines across that axis, and set upright to the wall. Every third patient.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.published import keep
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.simpson import disc_stack
from cvai.domain.ventricles.wall_motion import MOVES_FROM_PERCENT, NORMAL_FROM_PERCENT
from cvai.domain.ventricles.wall_thickness import thickening_percent
from cvai.training.datasets.data import data_root
from cvai.training.tasks.echo.camus import load_camus_patient
from cvai.training.tasks.echo.reference import PatientReference, load_references

NORMAL_EF_PERCENT = 55.0
EVERY = 3
N_LINES, REACH_MM, STEP_MM = 60, 70.0, 0.25
LEVELS = {"apical": (0.15, 0.33), "mid": (0.33, 0.67), "basal": (0.67, 0.95)}
"""Shares of the way from the apex to the mitral plane; at both ends the wall is not across the axis."""


def wall_mm(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> dict[tuple[str, str], float]:
    """Mean thickness of both walls at three levels."""
    axis = disc_stack(labels, spacing_mm).axis
    across = np.array([-axis.direction[1], axis.direction[0]])
    along = (np.arange(N_LINES) + 0.5) / N_LINES
    aside_mm = np.arange(-REACH_MM, REACH_MM, STEP_MM)
    points_mm = (
        axis.apex_mm
        + along[:, None, None] * axis.length_mm * axis.direction
        + aside_mm[None, :, None] * across
    )
    found = ndimage.map_coordinates(labels, np.moveaxis(points_mm / np.array(spacing_mm), -1, 0), order=0)
    thickness = {}
    for side, half in {"one": aside_mm < 0, "other": aside_mm >= 0}.items():
        cavity_mm, muscle_mm = (
            np.count_nonzero(found[:, half] == ECHO_LABELS[structure], axis=1) * STEP_MM
            for structure in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM)
        )
        middle_mm = ndimage.gaussian_filter1d(cavity_mm + muscle_mm / 2, 2)
        upright_mm = muscle_mm / np.hypot(1.0, np.gradient(middle_mm, axis.length_mm / N_LINES))
        for level, (first, last) in LEVELS.items():
            thickness[side, level] = float(upright_mm[(along >= first) & (along < last)].mean())
    return thickness


def segments(patient: PatientReference) -> Iterator[tuple[str, float, float]]:
    """View and level, thickness at end-diastole in mm, and thickening in percent."""
    by_view: dict[str, dict[str, dict[tuple[str, str], float]]] = defaultdict(dict)
    for frame in load_camus_patient(data_root() / "camus", patient.patient):
        spacing_mm = patient.spacing_mm(frame.labels.shape)
        if spacing_mm is not None:
            by_view[frame.view][frame.phase] = wall_mm(frame.labels, spacing_mm)
    for view, phases in by_view.items():
        for (side, level), ed_mm in phases["ED"].items():
            yield f"{view} {level}", ed_mm, thickening_percent(ed_mm, phases["ES"][side, level])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep the numbers for the documents")
    arguments = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for patient in list(load_references(data_root() / "camus").values())[::EVERY]:
        if patient.ef_percent >= NORMAL_EF_PERCENT:
            for name, ed_mm, percent in segments(patient):
                found[name].append((ed_mm, percent))
    told = {}
    for name, rows in sorted(found.items()):
        ed_mm, percent = np.array(rows).T
        told[name] = {
            "ED mm": float(np.median(ed_mm)),
            "thickening": float(np.median(percent)),
            "normal": 100.0 * float(np.mean(percent >= NORMAL_FROM_PERCENT)),
            "still": 100.0 * float(np.mean(percent < MOVES_FROM_PERCENT)),
            "segments": len(rows),
        }
        print(f"{name}: " + ", ".join(f"{key} {value:.1f}" for key, value in told[name].items()))
    if arguments.record:
        keep(
            "apical_thickening",
            {f"{name}, {key}": value for name, row in told.items() for key, value in row.items()},
        )


if __name__ == "__main__":
    main()
