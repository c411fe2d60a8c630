"""A picture of a loop that was left out, by which a reader chooses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.ultrasound.loops import assemble_loop
from cvai.dicom.read.values import Study
from cvai.domain.message import say
from cvai.errors import StudyRefused


def still_of(study: Study, sop_instance_uid: str) -> NDArray[np.uint8]:
    """(y, x) of the first frame of a loop, cut to its sector and black outside of it.

    Raises:
        Refused: ``no_loop``, or as ``assemble_loop``.
    """
    images = tuple(
        plane
        for series in study.series
        for plane in series.planes
        if plane.sop_instance_uid == sop_instance_uid
    )
    if not images:
        raise StudyRefused("no_loop", say("There is no such loop."), say("Load the page again."))
    loop = assemble_loop(images).loop
    rows, columns = (np.flatnonzero(loop.sector.any(axis=axis)) for axis in (1, 0))
    return loop.frames[0, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
