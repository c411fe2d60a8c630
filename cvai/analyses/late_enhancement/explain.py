"""Which late enhancement of a study would be measured, and why."""

from __future__ import annotations

from cvai.analyses.spec import Explanation
from cvai.dicom.read.enhancement.assemble import assemble_enhancement
from cvai.dicom.read.enhancement.finder import select_late_enhancement
from cvai.dicom.read.values import Study


def explain_enhancement(study: Study) -> Explanation:
    """What would be measured, from headers and pixels, without a model.

    Raises:
        Refused: nothing would be.
    """
    selection = select_late_enhancement(study)
    stack = assemble_enhancement(selection)
    _, z, y, x = stack.stack.shape
    kind = "phase-sensitive" if selection.is_phase_sensitive else "magnitude"
    chosen = f"series {stack.series_uid}: {z} slices of {kind} late enhancement, {x} x {y} pixels"
    return Explanation(chosen, (), stack.findings, stack.excluded)
