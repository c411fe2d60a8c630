"""Whether the ejection fraction hangs on what the most basal slice of end-systole is taken for.

The base comes down in systole: a slice that holds the ventricle at end-diastole may show the atrium at
end-systole, or both in part. Readers differ there more than anywhere else.
"""

from __future__ import annotations

import numpy as np

from cvai.domain.anatomy import Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.function import ejection_fraction_percent
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, apex_comes_first
from cvai.domain.ventricles.short_axis import enclosure

LARGEST_DIFFERENCE_POINTS = 5.0
"""Of the ejection fraction with and without the slice."""

LEAST_ENCLOSURE = 0.9
"""Share of the cavity's border on wall below which the slice may be atrium in part. In the reference contours
of 100 ACDC patients it is 0.97 at least."""


def base_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """``base_decides_ejection_fraction``, with the ejection fraction both ways.

    A slice without any cavity at end-systole is no reason: that the base leaves it is what a ventricle does.
    """
    labels, es = segmentation.labels, phases.end_systole
    pixels = segmentation.voxel_counts(Structure.LV_CAVITY)
    edv, esv = (int(pixels[t].sum()) for t in (phases.end_diastole, es))
    if not 0 < esv < edv:
        return ()
    base = int(np.flatnonzero(pixels[es])[-1 if apex_comes_first(labels[phases.end_diastole]) else 0])
    cavity, wall = (segmentation.mask(s)[es, base] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM))
    share = enclosure(cavity, wall)
    measured_percent = ejection_fraction_percent(edv, esv)
    without_percent = ejection_fraction_percent(edv, esv - int(pixels[es, base]))
    if share >= LEAST_ENCLOSURE or without_percent - measured_percent <= LARGEST_DIFFERENCE_POINTS:
        return ()
    message = (
        f"At end-systole wall surrounds {100 * share:.0f} % of the left ventricle's border in slice "
        f"{base + 1}, which may show the atrium already: the ejection fraction is {measured_percent:.0f} % "
        f"as measured and {without_percent:.0f} % without it. The mitral valve decides."
    )
    return (Finding("base_decides_ejection_fraction", Severity.WARNING, message, (Place(es, base),)),)
