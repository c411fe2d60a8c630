"""The short-axis cine with its contours, for captures and other objects of any viewer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.objects import phase_index
from cvai.analyses.cine_sax.pictures import WINDOW_PERCENTILES, heart_window
from cvai.dicom.write import codes
from cvai.dicom.write.codes import CardiacPhase
from cvai.dicom.write.contoured import Contour, ContouredImages, KeyFrame, scaled_grey
from cvai.dicom.write.plan import ShownNumber, extra_series
from cvai.domain.anatomy import SAX_LABELS, Structure

CINE = "cine"
EXTRAS = extra_series(60, {CINE: "cine"})
NUMBERS = (
    ShownNumber("lv_ef", "LVEF"),
    ShownNumber("lv_edv", "LVEDV"),
    ShownNumber("lv_esv", "LVESV"),
    ShownNumber("rv_ef", "RVEF"),
    ShownNumber("lv_mass", "LV mass"),
    ShownNumber("rv_edv", "RVEDV"),
    ShownNumber("rv_esv", "RVESV"),
)

_CAVITY, _WALL, _RIGHT = (
    SAX_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.RV_CAVITY)
)
CONTOURS = (
    Contour("LV epicardium", (_WALL, _CAVITY), codes.LEFT_VENTRICLE_MYOCARDIUM, (0, 192, 139)),
    Contour("RV cavity", (_RIGHT,), codes.RIGHT_VENTRICLE, (86, 180, 233)),
    Contour("LV cavity", (_CAVITY,), codes.LEFT_VENTRICLE, (255, 122, 26)),
)
"""In the colours of the page, which are lighter than those of the segments: the ground is dark."""


def contoured(analysis: CineAnalysis) -> tuple[ContouredImages, ...]:
    """All phases and slices, cut to the heart."""
    stack, labels = analysis.cine.stack, analysis.segmentation.labels
    window = heart_window(analysis, range(stack.n_phases), aspect=1.0)
    cut = slice(window.top, window.bottom), slice(window.left, window.right)
    key_frames = tuple(KeyFrame(phase_index(analysis, p), p.capitalize(), p) for p in CardiacPhase)
    shown = np.stack([stack.phase(frame.t, rows=cut[0], columns=cut[1]) for frame in key_frames])
    low, high = (float(limit) for limit in np.percentile(shown, WINDOW_PERCENTILES))

    def limits(t: int, z: int) -> tuple[float, float]:
        return stack.stored_value(t, z, low), stack.stored_value(t, z, high)

    def grey(t: int, z: int) -> NDArray[np.uint8]:
        return scaled_grey(stack.frame(t, z), low, high)

    spacing_mm = stack.geometry.spacing_y_mm, stack.geometry.spacing_x_mm
    return (
        ContouredImages(
            name=CINE,
            title="Short-axis cine",
            planes=analysis.cine.planes,
            labels=labels,
            grey=grey,
            contours=CONTOURS,
            key_frames=key_frames,
            cut=cut,
            spacing_mm=spacing_mm,
            times_ms=stack.phase_times_ms,
            window=limits,
        ),
    )
