"""Segments apical ultrasound loops and classifies their view."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.views import EchoView
from cvai.domain.message import say
from cvai.errors import ConfigurationInvalid, HeartRefused
from cvai.models.card import ModelCard
from cvai.models.classes import likeliest
from cvai.models.folders import installed_models, model_folder
from cvai.models.intensity import intensity_range, scaled
from cvai.models.network import Network
from cvai.models.resample import Window
from cvai.models.sector import PixelBox, lies_upside_down
from cvai.models.segmenter import NetworkSegmenter, one_blas_thread

SMALLEST_CAVITY = 0.01
"""Smallest left ventricle, as a share of the sector's bounding box."""

STILL_FRAMES = 4
"""Loops of up to this many frames are not smoothed over time."""

_AT_ONCE = 4
"""Frames resampled together, few enough for their maps to stay within the cache."""

_INSTALLED_AS = "echo"
_N_LABELS = len(ECHO_LABELS) + 1


class EchoSegmenter(NetworkSegmenter):
    """Labels left ventricle, its myocardium and left atrium in every frame, and names the view.

    Raises:
        ConfigurationInvalid: ``model_of_other_view``, the network is for another kind of image.
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        _check_card(network.card)
        super().__init__(network, threads)

    @property
    def esv_factors(self) -> Mapping[str, float]:
        """Factors of end-systolic volumes for ``biplane``, ``a4c``, ``a2c``; 1 where missing."""
        correction = self._network.card.correction
        return {} if correction is None else correction.esv_factors

    @one_blas_thread
    def segment(self, loop: EchoLoop) -> LoopSegmentation:
        """Label every frame of ``loop`` on its own grid.

        Raises:
            HeartRefused: ``heart_not_found``, no left ventricle in most of the frames; ``image_upside_down``.
        """
        if lies_upside_down(loop.sector):
            raise HeartRefused(
                "image_upside_down",
                say("The sector opens upwards: the transducer is at the bottom of the image."),
                say("Show the image with the transducer at its top."),
            )
        box = PixelBox.around(loop.sector)
        shape = (loop.frames.shape[1], loop.frames.shape[2])
        window = box.window(shape, self._network.card.input.size)
        logits = self._network.logits(self._images(loop, box, window))
        view, probability = self._view(logits[:, _N_LABELS:].mean(axis=(2, 3)))
        labels = self._labels(_steadied(logits[:, :_N_LABELS]), window, shape)
        found = np.count_nonzero(labels == ECHO_LABELS[Structure.LV_CAVITY], axis=(1, 2))
        if np.median(found) < SMALLEST_CAVITY * box.height * box.width:
            raise HeartRefused(
                "heart_not_found",
                say(
                    "No left ventricle was found in {n_empty} of {n_frames} frames.",
                    n_empty=np.count_nonzero(found == 0),
                    n_frames=len(found),
                ),
                say("Check that the image shows the heart in an apical view, the transducer at its top."),
            )
        return LoopSegmentation(labels, view, probability, self._doubts(logits[:, :_N_LABELS]))

    def _images(self, loop: EchoLoop, box: PixelBox, window: Window) -> NDArray[np.float32]:
        """(t, 1, y, x) network input; brightness is scaled over the sector of all frames."""
        inside = loop.frames[:, box.top : box.bottom, box.left : box.right]
        low, high = intensity_range(inside)

        def seen(frames: slice) -> NDArray[np.float32]:
            images = np.zeros((len(inside[frames]), *loop.frames.shape[1:]), dtype=np.float32)
            images[:, box.top : box.bottom, box.left : box.right] = scaled(inside[frames], low, high)
            return window.cut(images)

        return np.concatenate(self._each(seen, _few_at_a_time(len(inside))))[:, None]

    def _labels(
        self, logits: NDArray[np.float32], window: Window, shape: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """(t, y, x) labels on the loop's grid, one piece of each structure in a frame."""
        labels = np.zeros((len(logits), *shape), dtype=np.uint8)
        rows, columns = window.footprint

        def draw(frames: slice) -> None:
            for frame, drawn in zip(labels[frames], likeliest(window.back(logits[frames])), strict=True):
                frame[rows, columns] = keep_largest_component(drawn)

        self._each(draw, _few_at_a_time(len(logits)))
        return labels

    def _doubts(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """(t,) what each frame by itself leaves open of the cavity, as a share of it."""
        doubts = np.zeros(len(logits), dtype=np.float32)

        def doubt(frames: slice) -> None:
            doubts[frames] = _left_open(logits[frames])

        self._each(doubt, _few_at_a_time(len(logits)))
        return doubts

    def _view(self, logits: NDArray[np.float32]) -> tuple[EchoView, float]:
        """The likeliest view and its mean probability, of (t, views) logits."""
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        mean = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        highest = int(mean.argmax())
        return self._network.card.views[highest], float(min(1.0, mean[highest]))


def installed_echo_folder() -> Path | None:
    """Where the model for ultrasound lies, None where none is installed."""
    return model_folder(_INSTALLED_AS) if _INSTALLED_AS in installed_models() else None


def installed_echo_segmenter(threads: int = 2, provider: str = "auto") -> EchoSegmenter | None:
    """The installed model for ultrasound, None where there is none."""
    folder = installed_echo_folder()
    return None if folder is None else EchoSegmenter.load(folder, threads, provider)


def _check_card(card: ModelCard) -> None:
    if card.view != "echo" or card.views != tuple(EchoView) or card.labels != dict(ECHO_LABELS):
        raise ConfigurationInvalid(
            "model_of_other_view",
            f"Model {card.name} {card.version} is for {card.view}, not for apical ultrasound views.",
            "Name an echo model; `cvai models list` shows what each is for.",
        )


def _steadied(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """(t, k, y, x) logits with a quarter of each neighbouring frame: tissue does not jump between frames."""
    if len(logits) <= STILL_FRAMES:
        return logits
    weights = np.array([0.25, 0.5, 0.25], dtype=np.float32)
    return np.asarray(ndimage.convolve1d(logits, weights, axis=0, mode="nearest"), dtype=np.float32)


def _left_open(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """(t,) sum of the lesser of the cavity's probability and what lacks to 1, over the pixels of the cavity.

    Args:
        logits: (t, k, y, x) background and structures.
    """
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    cavity = shares[:, ECHO_LABELS[Structure.LV_CAVITY]] / shares.sum(axis=1)
    drawn = np.count_nonzero(cavity > 0.5, axis=(1, 2))
    left_open = np.minimum(cavity, 1.0 - cavity).sum(axis=(1, 2))
    return np.asarray(left_open / np.maximum(1, drawn), dtype=np.float32)


def _few_at_a_time(n_frames: int) -> list[slice]:
    return [slice(first, first + _AT_ONCE) for first in range(0, n_frames, _AT_ONCE)]


def keep_largest_component(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(y, x) labels with the largest piece of every structure, holes in cavity and atrium filled."""
    kept = np.zeros_like(labels)
    boxes = ndimage.find_objects(labels, max_label=max(ECHO_LABELS.values()))
    for structure in (Structure.LEFT_ATRIUM, Structure.LV_MYOCARDIUM, Structure.LV_CAVITY):
        value = ECHO_LABELS[structure]
        box = boxes[value - 1]
        if box is not None:
            piece = _largest_piece(labels[box] == value)
            # A ring of wall around the cavity is no wall with a hole.
            kept[box][piece if structure is Structure.LV_MYOCARDIUM else _filled(piece)] = value
    return kept


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, count = ndimage.label(mask)
    if count == 1:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray(pieces == sizes.argmax(), dtype=np.bool_)


def _filled(piece: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_fill_holes(piece), dtype=np.bool_)
