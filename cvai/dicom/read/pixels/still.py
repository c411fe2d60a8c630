"""One image of a series, as a small picture shows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.pixels.decode import intensities
from cvai.dicom.read.values import Study
from cvai.domain.message import say
from cvai.errors import StudyRefused

_DARKEST, _BRIGHTEST = 1.0, 99.0
"""Percentiles of an image that are shown black and white."""


def still_of_series(study: Study, series_uid: str) -> NDArray[np.uint8]:
    """(y, x) brightness of the image in the middle of a series, in the order of the study.

    Raises:
        StudyRefused: ``no_images``.
        FileRefused: it cannot be decoded, see ``stored_pixels``.
    """
    planes = [plane for series in study.series if series.series_uid == series_uid for plane in series.planes]
    if not planes:
        raise StudyRefused("no_images", say("This series has no images."), say("Load the page again."))
    (image,) = intensities([planes[len(planes) // 2]])
    low, high = np.percentile(image, [_DARKEST, _BRIGHTEST])
    share = (image - low) / max(float(high - low), 1e-6)
    return np.asarray(np.clip(share, 0.0, 1.0) * 255, dtype=np.uint8)
