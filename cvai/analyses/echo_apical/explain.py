"""Which loops of a study would be measured."""

from __future__ import annotations

from cvai.analyses.spec import Explanation
from cvai.dicom.read.ultrasound.loops import select_loops
from cvai.dicom.read.values import Study


def explain_loops(study: Study) -> Explanation:
    """What would be measured, from headers alone.

    Raises:
        Refused: nothing would be.
    """
    selection = select_loops(study)
    chosen = f"{len(selection.loops)} loops may show an apical view; the model tells"
    return Explanation(chosen, (), selection.findings, selection.excluded)
