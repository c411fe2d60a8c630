"""Whether an image handed to ``cvai segment`` has grey levels at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.errors import FileRefused

FEWEST_LEVELS = 8
"""Three bits. An image of a heart has dozens; masks and label maps have fewer."""

_SAMPLES = 100_000


def require_grey_levels(values: NDArray[np.float32] | NDArray[np.uint8]) -> None:
    """Refuse an image of one value, a mask, or a map of labels.

    Raises:
        FileRefused: ``not_grey_levels``.
    """
    flat = values.reshape(-1)
    if np.unique(flat[:: max(1, flat.size // _SAMPLES)]).size >= FEWEST_LEVELS:
        return
    n_levels = np.unique(flat).size
    if n_levels < FEWEST_LEVELS:
        raise not_grey(f"It has {n_levels} grey level(s): a mask, labels or nothing, no image of a heart.")


def not_grey(what: str) -> FileRefused:
    """The refusal of an image that is not in grey levels."""
    return FileRefused(
        "not_grey_levels", what, "Give the image itself in grey levels: magnitude, no colours."
    )
