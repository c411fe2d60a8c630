"""How far a measured value may be from what a reader would have measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cvai.domain.anatomy import Structure
from cvai.domain.difficulty import Likeness, difficulties
from cvai.domain.measurement import OF_MODEL, IntervalOrigin, Measurement
from cvai.domain.shown import PhaseShown


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Half-widths that follow what the model shows of a patient (normalised conformal prediction).

    Args:
        factors: by name of measurement; the half-width is this times the patient's difficulty.
        least_doubt: by structure, the least share of its volume that is taken to be in doubt.
        elsewhere: by name, what readers of another hospital differ by, as a half-width in the unit of the
            measurement; added in quadrature as far as the images look foreign.
        likeness: the images of the training hospital.
    """

    factors: Mapping[str, float]
    least_doubt: Mapping[Structure, float]
    elsewhere: Mapping[str, float]
    likeness: Likeness


@dataclass(frozen=True, slots=True)
class ByDoubt:
    """Half-widths in proportion to what the network leaves open of a cavity, for numbers that have a doubt.

    Args:
        factors: by name of measurement; the half-width of what ``half_widths`` has, or the share of what
            ``shares`` has, is this times the doubt.
        least: the least doubt that is believed.
    """

    factors: Mapping[str, float]
    least: float


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Half-widths of prediction intervals, learnt from patients the model has not seen.

    Args:
        confidence: share of patients whose reference value lies within the interval.
        half_widths: by name of measurement, in its own unit (ejection fractions: points).
        shares: by name of measurement, as a share of the value, for what grows with the heart; they hold for
            the value per body surface as well.
        adaptive: half-widths of a patient, which take the place of these where the model shows its doubt.
        by_doubt: the same for models that show nothing but one doubt for each number.
        of_site: by name of measurement, what a site has calibrated: all of these times its factor.
    """

    confidence: float
    half_widths: Mapping[str, float]
    shares: Mapping[str, float]
    adaptive: Adaptive | None = None
    by_doubt: ByDoubt | None = None
    of_site: Mapping[str, IntervalOrigin] = field(default_factory=dict)

    def of_patient(self, ed: PhaseShown, es: PhaseShown, values: Mapping[str, float]) -> Uncertainty:
        """The half-widths of one patient, by name and in the unit of each measurement.

        Args:
            ed: what the model showed at end-diastole.
            es: at end-systole.
            values: measurements by name.
        """
        adaptive = self.adaptive
        if adaptive is None:
            return self
        likeness = adaptive.likeness
        foreign = likeness.foreign_share(likeness.distance(ed, es))
        halves = {}
        for name, difficulty in difficulties(ed, es, values, adaptive.least_doubt).items():
            if name in adaptive.factors:
                apart = foreign * adaptive.elsewhere.get(name, 0.0)
                halves[name] = math.hypot(adaptive.factors[name] * difficulty, apart)
        shares = {
            name: halves[name] / values[name] for name in halves if not name.endswith("_ef") and values[name]
        }
        points = {name: half for name, half in halves.items() if name.endswith("_ef")}
        return replace(
            self,
            half_widths={**self.half_widths, **points},
            shares={**self.shares, **shares},
            adaptive=None,
        )

    def at_doubts(self, doubts: Mapping[str, float]) -> Uncertainty:
        """The half-widths of one patient, for the numbers whose doubt is known.

        Args:
            doubts: by name of measurement, a share of the cavity.
        """
        by_doubt = self.by_doubt
        if by_doubt is None:
            return self
        own = {
            name: by_doubt.factors[name] * max(doubt, by_doubt.least)
            for name, doubt in doubts.items()
            if name in by_doubt.factors
        }
        return replace(
            self,
            half_widths={**self.half_widths, **{n: h for n, h in own.items() if n in self.half_widths}},
            shares={**self.shares, **{n: h for n, h in own.items() if n in self.shares}},
            by_doubt=None,
        )

    def half_width(self, name: str, value: float, known_as: str = "") -> float | None:
        """Of a measurement, in its unit; None where nothing is known about its kind.

        Args:
            name: of the measurement.
            value: of the measurement.
            known_as: name under which half-widths have it, where that is another.
        """
        own = self._own_half_width((known_as or name).removesuffix("_index"), value)
        return None if own is None else own * self._origin(name).factor

    def _own_half_width(self, name: str, value: float) -> float | None:
        if name in self.half_widths:
            return self.half_widths[name]
        return self.shares[name] * abs(value) if name in self.shares else None

    def _origin(self, name: str) -> IntervalOrigin:
        return self.of_site.get(name.removesuffix("_index"), OF_MODEL)

    def around(self, measurement: Measurement, known_as: str = "") -> Measurement:
        """The measurement with its interval; unchanged where nothing is known about its kind.

        Args:
            measurement: without an interval.
            known_as: see ``half_width``.
        """
        half = self.half_width(measurement.name, measurement.value, known_as)
        if half is None:
            return measurement
        low = max(0.0, measurement.value - half) if measurement.value >= 0 else measurement.value - half
        high = measurement.value + half
        if measurement.unit == "%":
            high = max(measurement.value, min(100.0, high))
        return replace(measurement, interval=(low, high), interval_from=self._origin(measurement.name))


def grouped_half_width(errors: Sequence[Sequence[float]], confidence: float) -> float:
    """The error that a random part of the next patient stays within with at least this probability.

    Hierarchical conformal prediction (Lee, Barber, Willett, arXiv:2306.06342): parts of one patient are
    alike, so that each patient weighs as one, and the next one as much as each of these.

    Args:
        errors: of the parts of each patient; those without a part tell nothing.
        confidence: share of the parts.

    Raises:
        ValueError: too few patients for this confidence.

    >>> grouped_half_width([[0.0, 4.0], [1.0, 2.0], [3.0]], confidence=0.6)
    3.0
    """
    groups = [group for group in errors if group]
    weighed = sorted((abs(error), 1.0 / len(group)) for group in groups for error in group)
    reached = 0.0
    for error, weight in weighed:
        reached += weight
        if reached >= confidence * (len(groups) + 1) - 1e-9:
            return error
    raise ValueError(f"{len(groups)} patients are too few for a confidence of {confidence}")


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
