"""How far a measured value may be from what a reader would have measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cvai.domain.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Half-widths of prediction intervals, learnt from patients the model has not seen.

    Args:
        confidence: share of patients whose reference value lies within the interval.
        half_widths: by name of measurement, in its own unit (ejection fractions: points).
        shares: by name of measurement, as a share of the value, for what grows with the heart; they hold for
            the value per body surface as well.
    """

    confidence: float
    half_widths: Mapping[str, float]
    shares: Mapping[str, float]

    def around(self, measurement: Measurement) -> Measurement:
        """The measurement with its interval; unchanged where nothing is known about its kind."""
        name = measurement.name.removesuffix("_index")
        if name in self.half_widths:
            half = self.half_widths[name]
        elif name in self.shares:
            half = self.shares[name] * abs(measurement.value)
        else:
            return measurement
        low = max(0.0, measurement.value - half) if measurement.value >= 0 else measurement.value - half
        high = measurement.value + half
        if measurement.unit == "%":
            high = max(measurement.value, min(100.0, high))
        return replace(measurement, interval=(low, high))


def conformal_half_width(errors: Sequence[float], confidence: float) -> float:
    """The error that the next patient stays within with at least this probability.

    Split conformal prediction (Vovk et al., Algorithmic Learning in a Random World, 2005; Lei et al., JASA
    2018;113:1094): the k-th smallest of n absolute errors with ``k = ceil((n + 1) * confidence)``. It assumes
    nothing about their distribution, only that the next patient is drawn like these.

    Raises:
        ValueError: too few patients for this confidence.

    >>> conformal_half_width([-4.0, 1.0, 2.0, -3.0, 0.5, 1.5, -2.5, 3.5, 0.0], confidence=0.8)
    3.5
    """
    rank = math.ceil((len(errors) + 1) * confidence)
    if rank > len(errors):
        raise ValueError(f"{len(errors)} patients are too few for a confidence of {confidence}")
    return sorted(abs(error) for error in errors)[rank - 1]
