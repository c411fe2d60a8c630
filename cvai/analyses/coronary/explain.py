"""Which runs of a study would be looked at."""

from __future__ import annotations

from cvai.analyses.spec import Explanation
from cvai.dicom.read.angiography.runs import select_runs
from cvai.dicom.read.values import Study


def explain_runs(study: Study) -> Explanation:
    """What would be measured, from headers alone.

    Raises:
        Refused: nothing would be.
    """
    selection = select_runs(study)
    chosen = f"{len(selection.runs)} runs may show a coronary artery; their pixels decide"
    return Explanation(chosen, (), (), selection.excluded)
