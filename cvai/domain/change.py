"""How a measurement differs between two studies of one patient, against what the measurements leave open."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cvai.domain.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two studies.

    Args:
        difference: the later value minus the earlier one.
        uncertainty: half-width of the interval of the difference; None where one of both has no interval.
    """

    difference: float
    uncertainty: float | None

    @property
    def is_beyond(self) -> bool:
        """Whether the difference is larger than its interval explains."""
        return self.uncertainty is not None and abs(self.difference) > self.uncertainty


def change_between(earlier: Measurement, later: Measurement) -> Change:
    """Difference of two independent measurements, with the root of the sum of squares of their half-widths.

    Raises:
        ValueError: they are of different quantities or units.

    >>> before = Measurement("lv_ef", 55.0, "%", interval=(51.0, 59.0))
    >>> now = Measurement("lv_ef", 44.0, "%", interval=(41.0, 47.0))
    >>> change_between(before, now), change_between(before, now).is_beyond
    (Change(difference=-11.0, uncertainty=5.0), True)
    """
    if (earlier.name, earlier.unit) != (later.name, later.unit):
        raise ValueError(f"{earlier.name} in {earlier.unit} is not {later.name} in {later.unit}")
    widths = [_half_width(measurement) for measurement in (earlier, later)]
    known = [width for width in widths if width is not None]
    uncertainty = math.hypot(*known) if len(known) == len(widths) else None
    return Change(later.value - earlier.value, uncertainty)


def _half_width(measurement: Measurement) -> float | None:
    if measurement.interval is None:
        return None
    low, high = measurement.interval
    return (high - low) / 2
