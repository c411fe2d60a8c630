"""Labels of late enhancement, and what the network leaves open of the infarct."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSlices:
    """What a network makes of a stack.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        infarct_open_percent: sum of the lesser of the infarct's probability and what lacks to 1, no-reflow
            included, in percent of the wall; None where nothing shows it.
    """

    labels: NDArray[np.uint8]
    infarct_open_percent: float | None = None
