"""The known input of a model and the pixels at which its outputs are written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cvai.errors import ModelInvalid

if TYPE_CHECKING:
    from cvai.models.card import ModelCard

_PIXELS = ((0.25, 0.25), (0.5, 0.5), (0.5, 0.75), (0.8, 0.4))
"""(y, x) as shares of the window."""


class _Computes(Protocol):
    @property
    def card(self) -> ModelCard: ...

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]: ...


def check_reference(network: _Computes) -> None:
    """Let a loaded network compute what its card has written down.

    Raises:
        ModelInvalid: it computes something else.
    """
    reference = network.card.reference
    logits = reference_pixels(network.logits(reference_input(network.card)))
    difference = float(np.max(np.abs(logits - np.asarray(reference.logits))))
    if not difference <= reference.tolerance:
        raise ModelInvalid(
            "model_reference_differs",
            f"Model {network.card.name} {network.card.version} gives logits that differ from its reference "
            f"by {difference:.4g}; {reference.tolerance:.4g} is allowed.",
            "The runtime on this machine computes something else; report it with `cvai doctor --json`.",
        )


def reference_input(card: ModelCard) -> NDArray[np.float32]:
    """(1, c, y, x) smooth noise in 0..1, the same on every machine."""
    return smooth_noise(card.reference.seed, len(card.input.channels), card.input.size)


def smooth_noise(seed: int, channels: int, size: int) -> NDArray[np.float32]:
    """(1, channels, size, size) smooth noise in 0..1."""
    noise = np.random.default_rng(seed).random((channels, size, size))
    smooth = np.stack([gaussian_filter(plane, sigma=4, mode="wrap") for plane in noise])
    low, high = smooth.min(), smooth.max()
    return np.asarray((smooth - low) / (high - low), dtype=np.float32)[None]


def reference_pixels(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """(4 * k,) logits of the first image at a few pixels, pixel by pixel."""
    height, width = logits.shape[-2:]
    picked = [logits[0, :, int(y * height), int(x * width)] for y, x in _PIXELS]
    return np.concatenate(picked)
