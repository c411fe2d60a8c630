"""What a network for apical views is trained on: labelled frames, and images that are no apical view."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.echo.views import EchoView
from cvai.models.intensity import normalised
from cvai.models.sector import PixelBox
from cvai.training.datasets.data import LabelledVolume
from cvai.training.tasks.echo.camus import LabelledFrame

VIEW_INDEX = {view: index for index, view in enumerate(EchoView)}
"""Place of each view among the network's view maps."""


class FrameSample(TypedDict):
    """One image as the network sees it, before augmentation."""

    image: torch.Tensor  # (1, y, x) brightness 0..1
    label: torch.Tensor  # (4, y, x) share of background and of each structure in every pixel
    view: int  # VIEW_INDEX


def frame_sample(frame: LabelledFrame, size: int) -> FrameSample:
    """A labelled frame squeezed to ``size`` x ``size`` pixels."""
    window = PixelBox.whole(frame.image.shape).window(frame.image.shape, size)
    one_hot = np.stack([frame.labels == k for k in range(len(ECHO_LABELS) + 1)])
    return FrameSample(
        image=_image(frame.image.astype(np.float32), size),
        label=torch.from_numpy(window.cut(one_hot.astype(np.float32))).half(),
        view=VIEW_INDEX[frame.view],
    )


def other_samples(volume: LabelledVolume, size: int) -> list[FrameSample]:
    """Every slice of a volume as an image in which there is no apical view."""
    return [_other(plane, size) for plane in volume.image]


def noise_samples(count: int, size: int, seed: int) -> list[FrameSample]:
    """Images of nothing: speckle of one pixel to an eighth of the image."""
    rng = np.random.default_rng(seed)
    grains = np.exp(rng.uniform(0, np.log(size / 8), count))
    cells = [max(8, round(size / grain)) for grain in grains]
    return [_other(rng.gamma(2.0, 1.0, (n, n)).astype(np.float32), size) for n in cells]


def _other(plane: NDArray[np.float32], size: int) -> FrameSample:
    label = torch.zeros(len(ECHO_LABELS) + 1, size, size).half()
    label[0] = 1
    return FrameSample(image=_image(plane, size), label=label, view=VIEW_INDEX[EchoView.OTHER])


def _image(plane: NDArray[np.float32], size: int) -> torch.Tensor:
    shape = (plane.shape[0], plane.shape[1])
    window = PixelBox.whole(shape).window(shape, size)
    return torch.from_numpy(window.cut(normalised(plane))[None]).half()
