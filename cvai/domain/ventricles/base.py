"""Whether the ejection fraction hangs on what the most basal slice is taken for.

The base comes down in systole: a slice that holds the ventricle at end-diastole may show the atrium or the
outflow tract at end-systole, or both in part. Readers differ there more than anywhere else.
"""

from __future__ import annotations

import numpy as np

from cvai.domain.anatomy import Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.function import ejection_fraction_percent
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, apex_comes_first
from cvai.domain.ventricles.short_axis import enclosure

LARGEST_DIFFERENCE_POINTS = 5.0
"""Of the ejection fraction with and without the slice."""

LEAST_ENCLOSURE = 0.9
"""Share of the cavity's border on wall below which the slice may be atrium or outflow tract in part. In the
reference contours of 100 ACDC patients it is less in one, at end-diastole."""


def base_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """``base_decides_ejection_fraction`` for each key phase, with the ejection fraction both ways.

    A slice without any cavity at end-systole is no reason: that the base leaves it is what a ventricle does.
    """
    pixels = segmentation.voxel_counts(Structure.LV_CAVITY)
    ed, es = phases.end_diastole, phases.end_systole
    volumes = {t: int(pixels[t].sum()) for t in (ed, es)}
    if not 0 < volumes[es] < volumes[ed]:
        return ()
    basal = -1 if apex_comes_first(segmentation.labels[ed]) else 0
    measured_percent = ejection_fraction_percent(volumes[ed], volumes[es])
    findings = []
    for t, name in ((ed, say("end-diastole")), (es, say("end-systole"))):
        z = int(np.flatnonzero(pixels[t])[basal])
        cavity, wall = (segmentation.mask(s)[t, z] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM))
        without = volumes | {t: volumes[t] - int(pixels[t, z])}
        if without[ed] == 0 or (share := enclosure(cavity, wall)) >= LEAST_ENCLOSURE:
            continue
        without_percent = ejection_fraction_percent(without[ed], without[es])
        if abs(without_percent - measured_percent) > LARGEST_DIFFERENCE_POINTS:
            message = say(
                "At {phase} wall surrounds {percent:.0f} % of the left ventricle's border in slice {slice}, "
                "which may show the atrium or the outflow tract: the ejection fraction is "
                "{measured_percent:.0f} % as measured and {without_percent:.0f} % without it in this phase.",
                phase=name,
                percent=100 * share,
                slice=z + 1,
                measured_percent=measured_percent,
                without_percent=without_percent,
            )
            place = (Place(t, z),)
            findings.append(Finding("base_decides_ejection_fraction", Severity.WARNING, message, place))
    return tuple(findings)
