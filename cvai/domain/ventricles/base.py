"""Whether the ejection fraction hangs on what a basal slice of end-systole is taken for: ventricle or atrium.

The base comes down in systole: a slice that holds the ventricle at end-diastole may show the atrium at
end-systole. Readers differ there more than anywhere else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.function import ejection_fraction_percent
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, apex_comes_first
from cvai.domain.ventricles.short_axis import enclosure

LARGEST_DIFFERENCE_POINTS = 5.0
"""Of the ejection fraction with and without the slices in question."""

LEAST_ENCLOSURE = 0.9
"""Share of the cavity's border on wall below which the most basal slice of end-systole may be atrium. In the
reference contours of 100 ACDC patients it is 0.97 at least."""


def base_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """``base_decides_ejection_fraction``, with the ejection fraction both ways.

    In the reference contours of 100 ACDC patients it is told of 16.
    """
    labels = segmentation.labels
    step = -1 if apex_comes_first(labels[phases.end_diastole]) else 1
    pixels = segmentation.voxel_counts(Structure.LV_CAVITY)[:, ::step].astype(np.float64)
    ed, es = pixels[phases.end_diastole], pixels[phases.end_systole]
    if not 0 < es.sum() < ed.sum():
        return ()
    first = int(np.flatnonzero(es)[0])
    lost = np.flatnonzero(ed[:first])
    places = tuple(Place(phases.end_systole, z) for z in np.arange(labels.shape[1])[::step].tolist())
    if len(lost):
        found = _lost(ed, es, first, [places[z] for z in lost])
    elif _enclosure(segmentation, places[first]) < LEAST_ENCLOSURE:
        found = _partly_walled(ed, es, places[first])
    else:
        return ()
    return () if found is None else (found,)


def _lost(
    ed: NDArray[np.float64], es: NDArray[np.float64], first: int, places: list[Place]
) -> Finding | None:
    """Basal slices that hold the cavity at end-diastole alone, were they as large as the first that keeps it.

    ``ed`` and ``es`` (z,) pixels from base to apex; ``first`` holds cavity at end-systole, ``places`` do not.
    """
    kept = es[first] * np.minimum(1.0, ed[:first] / max(ed[first], 1.0))
    many = len(places) > 1
    return _finding(
        f"At end-systole the left ventricle is no longer drawn in {_named(places)}, which "
        f"hold{'' if many else 's'} it at end-diastole",
        (
            ejection_fraction_percent(ed.sum(), es.sum()),
            ejection_fraction_percent(ed.sum(), es.sum() + kept.sum()),
        ),
        f"with {'them' if many else 'it'}",
        places,
    )


def _partly_walled(ed: NDArray[np.float64], es: NDArray[np.float64], place: Place) -> Finding | None:
    """The most basal slice of end-systole, whose cavity opens into something else than wall."""
    area = es[np.flatnonzero(es)[0]]
    return _finding(
        f"At end-systole wall surrounds the left ventricle only in part in {_named([place])}, which may show "
        "the atrium already",
        (ejection_fraction_percent(ed.sum(), es.sum()), ejection_fraction_percent(ed.sum(), es.sum() - area)),
        "without it",
        [place],
    )


def _finding(
    reason: str, measured_and_other_percent: tuple[float, float], other: str, places: list[Place]
) -> Finding | None:
    measured_percent, other_percent = measured_and_other_percent
    if abs(measured_percent - other_percent) <= LARGEST_DIFFERENCE_POINTS:
        return None
    message = (
        f"{reason}: the ejection fraction is {measured_percent:.0f} % as measured and {other_percent:.0f} % "
        f"{other}. The mitral valve decides."
    )
    return Finding("base_decides_ejection_fraction", Severity.WARNING, message, tuple(places))


def _named(places: list[Place]) -> str:
    return f"slice{'s' if len(places) > 1 else ''} {', '.join(str(1 + (p.slice or 0)) for p in places)}"


def _enclosure(segmentation: CineSegmentation, place: Place) -> float:
    cavity, wall = (
        segmentation.mask(structure)[place.phase, place.slice]
        for structure in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM)
    )
    return enclosure(cavity, wall)
