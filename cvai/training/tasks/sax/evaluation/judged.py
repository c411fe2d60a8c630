"""One patient's numbers with what the model showed while it drew them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.shown import PhaseShown
from cvai.training.tasks.sax.evaluation.quantities import QUANTITIES, quantities_of
from cvai.training.tasks.sax.evaluation.scores import PHASES, Labels, Segmented


@dataclass(frozen=True, slots=True)
class Judged:
    """A patient measured at end-diastole and end-systole.

    Args:
        patient: id in the data set.
        ed: what the model showed at end-diastole.
        es: at end-systole.
        measured: by the names of QUANTITIES.
        reference: the same, of those that were drawn.
    """

    patient: str
    ed: PhaseShown
    es: PhaseShown
    measured: Mapping[str, float]
    reference: Mapping[str, float]

    @classmethod
    def of(cls, phases: Sequence[Segmented]) -> Self | None:
        """Of the segmented phases of one patient; None where a heart was refused or nothing was shown."""
        if tuple(phase.volume.phase for phase in phases) != PHASES:
            return None
        ed, es = (phase.shown for phase in phases)
        if ed is None or es is None:
            return None
        measured = quantities_of({phase.volume.phase: _volumes_ml(phase, phase.labels) for phase in phases})
        drawn = quantities_of(
            {phase.volume.phase: _volumes_ml(phase, phase.volume.labels, drawn=True) for phase in phases}
        )
        return cls(phases[0].volume.patient, ed, es, measured, drawn)

    def errors(self) -> dict[str, float]:
        """Measured minus reference of every quantity that has both."""
        return {
            name: self.measured[name] - self.reference[name]
            for name in QUANTITIES
            if name in self.measured and name in self.reference
        }


def _volumes_ml(phase: Segmented, labels: Labels, *, drawn: bool = False) -> dict[Structure, float]:
    voxel_ml = float(np.prod(phase.volume.spacing_mm)) / 1000.0
    return {
        structure: int(np.count_nonzero(labels == value)) * voxel_ml
        for structure, value in SAX_LABELS.items()
        if not drawn or phase.volume.drawn_slices(structure) is not None
    }
