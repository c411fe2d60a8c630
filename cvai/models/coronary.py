"""Finds the coronary tree in a frame of an angiogram, names its segments, and marks narrowed stretches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.vessels.maps import VesselMaps
from cvai.domain.vessels.segments import CORONARY_LABELS, LEFT_SEGMENTS, RIGHT_SEGMENTS, CoronarySegment
from cvai.errors import ConfigurationInvalid
from cvai.models.card import ModelCard
from cvai.models.cells import CELL, CELL_CHANNELS, in_cells
from cvai.models.folders import installed_models, model_folder
from cvai.models.network import Network
from cvai.models.resample import Window
from cvai.models.segmenter import NetworkSegmenter, one_blas_thread

SMALLEST_TREE = 4e-4
"""Smallest piece of the tree, as a share of the frame: about 100 of 512 x 512 pixels."""

SMALLEST_PIECE = 2e-4
"""Smallest piece of a segment, as a share of the frame."""

SMALLEST_SHARE = 0.2
"""Smallest piece of a segment against its largest one."""

_INSTALLED_AS = "coronary"
_N_CLASSES = len(CORONARY_LABELS) + 1

Mask = NDArray[np.bool_]


class CoronarySegmenter(NetworkSegmenter):
    """Labels the coronary tree frame by frame.

    Raises:
        ConfigurationInvalid: ``model_of_other_view``, the network is for another kind of image.
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        _check_card(network.card)
        super().__init__(network, threads)

    @one_blas_thread
    def maps(self, frame: NDArray[np.float32]) -> VesselMaps:
        """The tree in one frame.

        Args:
            frame: (y, x) grey levels 0..1, vessels dark, of any size.
        """
        shape = (frame.shape[0], frame.shape[1])
        side = self._network.card.input.size
        image = _square(shape, side * CELL).cut(np.clip(frame, 0.0, 1.0))
        logits = self._network.logits(in_cells(image[None]))[0]
        of_cells = _softmax(logits[:_N_CLASSES])
        window = _square(shape, side)
        shares = window.back(of_cells)
        stenosis = window.back(_sigmoid(logits[_N_CLASSES]))
        vessel = np.clip(1.0 - shares[0], 0.0, 1.0)
        return VesselMaps(named_segments(shares), vessel, np.clip(stenosis, 0.0, 1.0))


def installed_coronary_folder() -> Path | None:
    """Where the model for angiograms lies, None where none is installed."""
    return model_folder(_INSTALLED_AS) if _INSTALLED_AS in installed_models() else None


def named_segments(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(y, x) values of CORONARY_LABELS of the tree, without specks and with whole segments.

    Args:
        shares: (k, y, x) probability of background and of each segment; they sum to one.
    """
    labels = np.zeros(shares.shape[1:], dtype=np.uint8)
    tree = _without_small(shares[0] < 0.5, SMALLEST_TREE * labels.size)
    if tree.any():
        of_side = _of_one_artery(shares[1:, tree])
        labels[tree] = of_side.argmax(axis=0) + 1
        _rename_scraps(labels)
    return labels


def _of_one_artery(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """(segments, n) without those of the other artery: one injection fills the right or the left one."""
    sums = shares.sum(axis=1)
    right, left = (_rows(segments) for segments in (RIGHT_SEGMENTS, LEFT_SEGMENTS))
    kept = shares.copy()
    kept[left if sums[right].sum() > sums[left].sum() else right] = -1.0
    return kept


def _rows(segments: Sequence[CoronarySegment]) -> list[int]:
    return [CORONARY_LABELS[segment] - 1 for segment in segments]


def _rename_scraps(labels: NDArray[np.uint8]) -> None:
    """Give pieces that are too small for a segment the name of what is next to them, in place."""
    kept = np.zeros(labels.shape, dtype=np.bool_)
    for value in np.unique(labels[labels > 0]):
        kept |= _large_pieces(labels == value)
    if kept.any():
        nearest = ndimage.distance_transform_edt(~kept, return_distances=False, return_indices=True)
        scraps = (labels > 0) & ~kept
        labels[scraps] = labels[tuple(nearest[:, scraps])]


def _large_pieces(mask: Mask) -> Mask:
    sizes = np.bincount(_pieces(mask).ravel())[1:]
    return _without_small(mask, max(SMALLEST_PIECE * mask.size, SMALLEST_SHARE * sizes.max()))


def _without_small(mask: Mask, smallest: float) -> Mask:
    """The pieces of at least ``smallest`` pixels."""
    pieces = _pieces(mask)
    large = np.bincount(pieces.ravel()) >= smallest
    large[0] = False
    return np.asarray(large[pieces], dtype=np.bool_)


def _pieces(mask: Mask) -> NDArray[np.int32]:
    """Pieces numbered from 1; pixels that touch at a corner belong together."""
    return np.asarray(ndimage.label(mask, structure=np.ones((3, 3)))[0], dtype=np.int32)


def _square(shape: tuple[int, int], size: int) -> Window:
    """The smallest square around a frame, seen as ``size`` x ``size`` pixels."""
    centre = ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    return Window(shape, (1.0, 1.0), centre, (size, size), max(shape) / size)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shares = np.exp(logits - logits.max(axis=0))
    return np.asarray(shares / shares.sum(axis=0), dtype=np.float32)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=np.float32)


def _check_card(card: ModelCard) -> None:
    fits = card.labels == dict(CORONARY_LABELS) and card.input.channels == CELL_CHANNELS
    if card.view != "coronary" or not fits:
        raise ConfigurationInvalid(
            "model_of_other_view",
            f"Model {card.name} {card.version} is for {card.view}, not for coronary angiograms.",
            "Name a coronary model; `cvai models list` shows what each is for.",
        )
