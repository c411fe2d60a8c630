"""How far a patient's numbers are in doubt, and how unlike the training images the patient's are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cvai.domain.anatomy import Structure
from cvai.domain.shown import PhaseShown

_CAVITIES = {"lv": Structure.LV_CAVITY, "rv": Structure.RV_CAVITY}


@dataclass(frozen=True, slots=True)
class Likeness:
    """Features of the images of the training hospital, against which others are held.

    Args:
        centre: mean of each feature.
        spread: its standard deviation.
        usual: distance up to which images count as those of the training hospital.
        elsewhere: distance from which they count as those of another one; between the two, in part.
        unlike: distance beyond which a reader is warned.
        too_far: distance beyond which nothing is measured.
    """

    centre: Mapping[str, float]
    spread: Mapping[str, float]
    usual: float
    elsewhere: float
    unlike: float
    too_far: float

    def deviations(self, ed: PhaseShown, es: PhaseShown) -> dict[str, float]:
        """By how many standard deviations each feature is off, as the mean of both phases."""
        return {
            name: ((ed.features[name] + es.features[name]) / 2 - centre) / self.spread[name]
            for name, centre in self.centre.items()
        }

    def distance(self, ed: PhaseShown, es: PhaseShown) -> float:
        """Root mean square of the deviations: about 1 for images of the training hospital."""
        deviations = self.deviations(ed, es).values()
        return math.sqrt(sum(deviation**2 for deviation in deviations) / len(deviations))

    def foreign_share(self, distance: float) -> float:
        """0 for images like those of the training hospital, 1 for those of another one.

        >>> Likeness({}, {}, usual=1.2, elsewhere=2.2, unlike=3.0, too_far=6.0).foreign_share(1.7)
        0.5
        """
        share = (distance - self.usual) / (self.elsewhere - self.usual)
        return round(min(1.0, max(0.0, share)), 6)


def difficulties(
    ed: PhaseShown, es: PhaseShown, values: Mapping[str, float], least: Mapping[Structure, float]
) -> dict[str, float]:
    """How far each measured quantity is in doubt, in its own unit, by propagation from the volumes.

    Args:
        ed: end-diastole.
        es: end-systole.
        values: measurements by name.
        least: by structure, the least doubt that is believed.

    >>> sure = PhaseShown({s: 0.01 for s in Structure}, {})
    >>> values = {"lv_edv": 100.0, "lv_esv": 50.0, "lv_sv": 50.0, "lv_ef": 50.0}
    >>> found = difficulties(sure, sure, values, {Structure.LV_CAVITY: 0.04})
    >>> {name: round(value, 2) for name, value in found.items()}
    {'lv_edv': 4.0, 'lv_esv': 2.0, 'lv_sv': 4.47, 'lv_ef': 2.83}
    """
    out = {}
    for prefix, cavity in _CAVITIES.items():
        edv_ml, esv_ml = (values.get(f"{prefix}_{volume}", 0.0) for volume in ("edv", "esv"))
        if edv_ml > 0 or esv_ml > 0:
            of_ed, of_es = (max(shown.doubts[cavity], least.get(cavity, 0.0)) for shown in (ed, es))
            out[f"{prefix}_edv"], out[f"{prefix}_esv"] = of_ed * edv_ml, of_es * esv_ml
            out[f"{prefix}_sv"] = math.hypot(of_ed * edv_ml, of_es * esv_ml)
            if edv_ml > 0:
                out[f"{prefix}_ef"] = 100.0 * esv_ml / edv_ml * math.hypot(of_ed, of_es)
    if "lv_mass" in values:
        wall = Structure.LV_MYOCARDIUM
        out["lv_mass"] = max(ed.doubts[wall], least.get(wall, 0.0)) * values["lv_mass"]
    return {name: doubt for name, doubt in out.items() if name in values}
