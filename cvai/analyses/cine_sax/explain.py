"""Which cine of a study would be measured, and why."""

from __future__ import annotations

from cvai.analyses.spec import Explanation
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.candidates import Candidate
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.values import Study
from cvai.dicom.read.whole import require_readable


def explain_cine(study: Study) -> Explanation:
    """What would be measured, from headers and pixels, without a model.

    Raises:
        Refused: nothing would be.
    """
    selection = select_sax_cine(study)
    require_readable(study, selection.planes)
    cine = assemble_cine(selection)
    t, z, y, x = cine.stack.shape
    candidates = selection.candidates if len(selection.candidates) > 1 else ()
    return Explanation(
        f"series {cine.series_uid}: {z} slices, {t} phases, {x} x {y} pixels",
        tuple(_described(candidate, candidates[0]) for candidate in candidates),
        cine.findings,
        cine.excluded,
    )


def _described(candidate: Candidate, preferred: Candidate) -> str:
    stack, condition = candidate.stack, candidate.stack.condition
    rate = "heart rate unknown" if candidate.rate_bpm is None else f"{candidate.rate_bpm:.0f}/min"
    called = ", called stress" if condition.under_stress else ""
    verdict = "preferred" if candidate is preferred else candidate.why_not(preferred)
    return (
        f"{stack.n_slices} slices of {stack.spacing_mm:.1f} mm over {stack.length_mm:.0f} mm, "
        f"{stack.n_phases} phases, {rate}{called}, series {', '.join(stack.series_uids[:3])}: {verdict}"
    )
