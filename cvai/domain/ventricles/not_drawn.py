"""What no contour was drawn of: it has no volume, which is something else than a volume of nothing."""

from __future__ import annotations

import numpy as np

from cvai.domain.anatomy import Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import joined, say, term
from cvai.domain.phases import KeyPhases
from cvai.domain.volumes import VolumeCurves

_KEY_PHASES = (say("end-diastole"), say("end-systole"))


def not_drawn_findings(curves_ml: VolumeCurves, phases: KeyPhases) -> tuple[Finding, ...]:
    """Structures that are not drawn at end-diastole or end-systole, and phases without a left ventricle.

    Args:
        curves_ml: (t,) volumes by structure.
        phases: those that the numbers come from.
    """
    missing = [
        (say("{structure} at {phase}", structure=term(structure.display_name), phase=name), t)
        for t, name in zip((phases.end_diastole, phases.end_systole), _KEY_PHASES, strict=True)
        for structure in Structure
        if structure in curves_ml and curves_ml[structure][t] == 0
    ]
    found = []
    if missing:
        message = say(
            "Not drawn: {structures}. What would be measured there is left out.",
            structures=joined(", ", (name for name, _ in missing)),
        )
        places = tuple(Place(phase=t) for t in dict.fromkeys(t for _, t in missing))
        found.append(Finding("structure_not_drawn", Severity.WITHHELD, message, places))
    lv_ml = curves_ml[Structure.LV_CAVITY]
    if n_empty := int(np.count_nonzero(lv_ml == 0)):
        message = say(
            "The left ventricle is drawn in {n_drawn} of {n_phases} phases: nothing is measured over the "
            "heartbeat.",
            n_drawn=lv_ml.size - n_empty,
            n_phases=lv_ml.size,
        )
        found.append(Finding("phases_not_drawn", Severity.INFO, message))
    return tuple(found)
