"""What the network has seen of stenoses, as numbers for result.json: measuring anew has the labels alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RUNS = "runs"
"""Name of the number of runs, by which results of versions that kept nothing are told."""

_ROW = re.compile(r"run_(\d+)_seen_(\d+)_row")


@dataclass(frozen=True, slots=True)
class SeenPlace:
    """A pixel in which the network sees a stenosis.

    Args:
        run: number of the run, from 1.
        at: (y, x).
        probability: above 0.
    """

    run: int
    at: tuple[int, int]
    probability: float


def kept_factors(places: Iterable[SeenPlace], suspected: Sequence[int]) -> dict[str, float]:
    """Places, and by run the number of those that no lesion explains; rows and columns count from 1.

    >>> kept_factors([SeenPlace(1, (0, 30), 0.75)], [0])
    {'runs': 1.0, 'run_1_seen_1_row': 1.0, 'run_1_seen_1_column': 31.0, 'run_1_seen_1': 0.75}
    """
    factors = {_RUNS: float(len(suspected))}
    for number, place in enumerate(places, start=1):
        name = f"run_{place.run}_seen_{number}"
        factors[f"{name}_row"], factors[f"{name}_column"] = (float(index + 1) for index in place.at)
        factors[name] = place.probability
    of_runs = ((f"run_{run}_suspected", n) for run, n in enumerate(suspected, start=1))
    return {**factors, **{name: float(n) for name, n in of_runs if n}}


def is_kept(factors: Mapping[str, float]) -> bool:
    """Whether these are of ``kept_factors``."""
    return _RUNS in factors


def stenosis_map(factors: Mapping[str, float], run: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    """(y, x) probabilities at the places that were kept of a run, 0 elsewhere."""
    seen = np.zeros(shape, dtype=np.float32)
    for name in factors:
        match = _ROW.fullmatch(name)
        if match is not None and int(match[1]) == run:
            place = name.removesuffix("_row")
            at = round(factors[name]) - 1, round(factors[f"{place}_column"]) - 1
            if 0 <= at[0] < shape[0] and 0 <= at[1] < shape[1]:
                seen[at] = factors[place]
    return seen


def suspected_in(factors: Mapping[str, float], run: int) -> int:
    """Number of places in a run that the network takes for a stenosis and no profile shows."""
    return round(factors.get(f"run_{run}_suspected", 0.0))
