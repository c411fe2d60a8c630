"""The slices of late enhancement with their contours, for captures and other objects of any viewer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.late_enhancement.analysis import EnhancementAnalysis
from cvai.analyses.late_enhancement.pictures import WITHIN, heart_window, intensity_window
from cvai.dicom.write import codes
from cvai.dicom.write.contoured import Contour, ContouredImages, KeyFrame, scaled_grey
from cvai.dicom.write.plan import ShownNumber, extra_series
from cvai.domain.anatomy import Structure

EXTRAS = extra_series(40)
NUMBERS = (
    ShownNumber("infarct_share", "Infarct", 1),
    ShownNumber("no_reflow_share", "No-reflow", 1),
    ShownNumber("infarct_mass", "Infarct", 1),
    ShownNumber("transmural_share", "Transmural"),
)
_DRAWN = (
    (Structure.LV_MYOCARDIUM, "LV epicardium", (0, 192, 139)),
    (Structure.LV_CAVITY, "LV cavity", (255, 122, 26)),
    (Structure.INFARCT, "Infarct", (240, 228, 66)),
    (Structure.NO_REFLOW, "No-reflow", (86, 180, 233)),
)
CONTOURS = tuple(
    Contour(
        name,
        WITHIN[structure],
        codes.STRUCTURE_CODES[structure],
        rgb,
        codes.MORPHOLOGICALLY_ABNORMAL_STRUCTURE
        if structure in codes.ABNORMAL_STRUCTURES
        else codes.ANATOMICAL_STRUCTURE,
    )
    for structure, name, rgb in _DRAWN
)


def contoured(analysis: EnhancementAnalysis) -> tuple[ContouredImages, ...]:
    """Every slice, cut to the heart."""
    stack, labels = analysis.stack.stack, analysis.labels
    low, high = intensity_window(analysis.stack, labels)

    def window(t: int, z: int) -> tuple[float, float]:
        return stack.stored_value(t, z, low), stack.stored_value(t, z, high)

    def grey(t: int, z: int) -> NDArray[np.uint8]:
        return scaled_grey(stack.frame(t, z), low, high)

    return (
        ContouredImages(
            name="lge",
            title="Short-axis late enhancement",
            planes=analysis.stack.planes,
            labels=labels[None],
            grey=grey,
            contours=CONTOURS,
            key_frames=(KeyFrame(0, ""),),
            cut=heart_window(analysis.stack, labels),
            spacing_mm=(stack.geometry.spacing_y_mm, stack.geometry.spacing_x_mm),
            window=window,
        ),
    )
