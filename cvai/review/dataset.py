"""Reviewed studies as a data set that training takes: NIfTI pairs, their description, and who drew what.

One image and one label file for end-diastole and end-systole, or the only phase, of every study that was
accepted or changed, as ``dataset.toml`` beside them says; of loops for each view, of its first beat, cut to
the sector; ``manifest.json`` names the reading behind each, those first that a model would learn most from.
Studies are numbered by a digest: no name, number or date of a patient is in any file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from cvai.analyses.registry import AnySpec
from cvai.analyses.spec import STACK
from cvai.domain.phases import KeyPhases
from cvai.files import private_file, private_folder
from cvai.jobs.reading import FrameEdit, Reading, Verdict
from cvai.review.decisions import Decision
from cvai.review.learning import Learning, learning_from
from cvai.review.measured import with_edits
from cvai.review.viewers.cine import CinePack
from cvai.review.viewers.loops import LoopPack

MANIFEST_NAME, DESCRIPTION_NAME = "manifest.json", "dataset.toml"
DESCRIPTION = """\
title = "Reviewed studies: {title}"
citation = "Contours verified by readers of this installation"
license = "as agreed with those whose images these are"

[files]
image = "images/{{patient}}_{{phase}}.nii.gz"
label = "labels/{{patient}}_{{phase}}.nii.gz"

[labels]
"""


@dataclass(frozen=True, slots=True)
class ReviewedStudy:
    """A study whose contours a reader stands for."""

    decision: Decision
    pack: CinePack | LoopPack

    @property
    def patient(self) -> str:
        """What the study is called in the data set."""
        return f"r{hashlib.sha256(self.decision.reading.job.study_uid.encode()).hexdigest()[:12]}"


def to_be_exported(decisions: Iterable[Decision], spec: AnySpec) -> list[Decision]:
    """The decisions on one kind of analysis that hold and stand for contours, the last one of each study."""
    last = {decision.reading.job.study_uid: decision for decision in decisions if decision.spec is spec}
    return [d for d in last.values() if d.reading.verdict is not Verdict.REJECTED]


def write_dataset(folder: Path, studies: Iterable[ReviewedStudy], spec: AnySpec) -> int:
    """Write the data set; returns how many studies it holds.

    Args:
        folder: made where it does not exist.
        studies: what is written, one after the other, so that one cine is in memory at a time.
        spec: the analysis that was read, whose labels these are.
    """
    private_folder(folder)
    for name in ("images", "labels"):
        private_folder(folder / name)
    entries = [_write_study(folder, study, spec) for study in studies]
    entries.sort(key=lambda entry: -entry["learning"]["score"])
    labels = "".join(f"{structure} = {value}\n" for structure, value in spec.labels.items())
    description = DESCRIPTION.format(title=spec.title) + labels
    private_file(folder / DESCRIPTION_NAME).write_text(description, encoding="utf-8")
    manifest = json.dumps(entries, indent=1) + "\n"
    private_file(folder / MANIFEST_NAME).write_text(manifest, encoding="utf-8")
    return len(entries)


def _write_study(folder: Path, study: ReviewedStudy, spec: AnySpec) -> dict[str, Any]:
    reading, pack = study.decision.reading, study.pack
    edited = with_edits(pack.read_views(), reading.edits)
    for view, beats in reading.beats_by_view.items():
        labels = edited[view][:, :, *pack.part_shown(view)]
        name = "_".join(filter(None, (study.patient, view)))
        affine = _affine(pack.spacing_mm(view))
        _write_phases(folder / "images", name, beats[0], pack.read_pixels(view), affine)
        _write_phases(folder / "labels", name, beats[0], labels, affine)
    return {**_entry(study, reading), "learning": learning_json(learning_from(study.decision, pack, spec))}


def learning_json(learning: Learning) -> dict[str, float | None]:
    """As in manifest.json and ``cvai dataset rank --json``."""
    moved = None if learning.moved is None else round(learning.moved, 3)
    return {"score": round(learning.score, 4), "dice": round(learning.dice, 4), "moved": moved}


def _write_phases(
    folder: Path,
    name: str,
    beat: KeyPhases,
    volumes: NDArray[np.float32] | NDArray[np.uint8],
    affine: NDArray[np.float64],
) -> None:
    """End-diastole and end-systole of (t, z, y, x) volumes; one file where it is both."""
    for t, phase in {beat.end_systole: "ES", beat.end_diastole: "ED"}.items():
        _save(folder / f"{name}_{phase}.nii.gz", volumes[t], affine)


def _entry(study: ReviewedStudy, reading: Reading) -> dict[str, Any]:
    frames = {
        view: {"ed": beats[0].end_diastole, "es": beats[0].end_systole}
        for view, beats in reading.beats_by_view.items()
    }
    return {
        "patient": study.patient,
        "verdict": reading.verdict,
        "signed_at": reading.signed_at.isoformat(),
        "model": f"{reading.model.name} {reading.model.version}",
        "model_sha256": reading.model.sha256,
        "reading": reading.digest,
        "corrected": [_place(edit) for edit in reading.edits],
        "carried": [_place(edit) for edit in reading.edits if edit.carried_from is not None],
        "frames": frames.get(STACK, frames),
        "measured": study.decision.comparison["measured"],
    }


def _place(edit: FrameEdit) -> list[str | int]:
    """Phase and slice, behind the view of a loop."""
    return [*filter(None, (edit.view,)), edit.t, edit.z]


def _affine(spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Spacing (z, y, x) alone: the position of the stack in the patient is left out."""
    return np.diag([*reversed(spacing_mm), 1.0])


def _save(path: Path, volume: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    """A (z, y, x) volume as NIfTI, which counts (x, y, z)."""
    nibabel.save(nibabel.Nifti1Image(volume.transpose(2, 1, 0), affine), private_file(path))
