"""What a reader is shown of an analysis besides its numbers: images, and what was drawn on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.values import AssembledCine
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.views import EchoView


@dataclass(frozen=True, slots=True, eq=False)
class ShownCine:
    """A short-axis cine with the labels (t, z, y, x) of ventricles and wall, which a reader corrects."""

    cine: AssembledCine
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ShownLoop:
    """An apical loop of ultrasound with the labels (t, y, x) of ventricle, wall and atrium."""

    view: EchoView
    loop: EchoLoop
    labels: NDArray[np.uint8]


Shown = ShownCine | tuple[ShownLoop, ...]
