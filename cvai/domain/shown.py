"""What a model shows of its own doubt, and of the images it was given, while it labels a phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cvai.domain.anatomy import Structure


@dataclass(frozen=True, slots=True)
class PhaseShown:
    """One phase, as far as its numbers and its images can be judged without a reference.

    Args:
        doubts: by structure, the share of its volume that the model is in doubt about.
        features: of the images around the heart by name, on scales on which images of one hospital vary
            about symmetrically.
    """

    doubts: Mapping[Structure, float]
    features: Mapping[str, float]
