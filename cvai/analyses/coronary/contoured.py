"""The measured frame of every run with its segments, for captures and other objects of any viewer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.coronary.analysis import CoronaryAnalysis, MeasuredRun
from cvai.analyses.coronary.codes import SEGMENT_CODES
from cvai.analyses.coronary.objects import SEGMENT_RGB
from cvai.dicom.write.contoured import Contour, ContouredImages, KeyFrame
from cvai.dicom.write.plan import ShownNumber, extra_series
from cvai.domain.vessels.segments import CORONARY_LABELS

EXTRAS = extra_series(20)
NUMBERS = (ShownNumber("max_stenosis", "Largest diameter stenosis"),)
CONTOURS = tuple(
    Contour(segment.display_name, (label,), SEGMENT_CODES[segment], SEGMENT_RGB[segment])
    for segment, label in CORONARY_LABELS.items()
)


def contoured(analysis: CoronaryAnalysis) -> tuple[ContouredImages, ...]:
    """The measured frame of each run, whole; no other frame is labelled."""
    return tuple(_contoured(number, run) for number, run in enumerate(analysis.runs, start=1))


def _contoured(number: int, run: MeasuredRun) -> ContouredImages:
    size = run.source.run.pixel_size

    def grey(_: int, __: int) -> NDArray[np.uint8]:
        return np.asarray(255 * run.source.run.grey(run.frame), dtype=np.uint8)

    return ContouredImages(
        name=f"run_{number}",
        title=f"Run {number}, {run.source.name}",
        planes=((run.image,),),
        labels=run.labels[None, None],
        grey=grey,
        contours=CONTOURS,
        key_frames=(KeyFrame(0, f"frame {run.frame + 1}"),),
        spacing_mm=None if size is None else (size.mm, size.mm),
    )
