"""Finds the coronary tree in a frame of an angiogram, names its segments, and marks narrowed stretches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.vessels.maps import VesselMaps
from cvai.domain.vessels.segments import CORONARY_LABELS, LEFT_SEGMENTS, RIGHT_SEGMENTS
from cvai.errors import ConfigurationInvalid
from cvai.models.card import ModelCard
from cvai.models.cells import CELL, CELL_CHANNELS, in_cells
from cvai.models.folders import installed_models, model_folder
from cvai.models.network import Network
from cvai.models.resample import Window
from cvai.models.segmenter import NetworkSegmenter, one_blas_thread

TREE_THRESHOLD = 0.5
"""Probability of background below which a pixel is of the tree."""

PRESENT = 0.5
"""A segment whose probability is nowhere above this is not in the frame."""

SMALLEST_TREE = 4e-4
"""Smallest piece of the tree, as a share of the frame: about 100 of 512 x 512 pixels."""

SMALLEST_PIECE = 1e-3
"""Smallest piece of a segment, as a share of the frame. This and PRESENT gave the highest F1 of those tried,
on 70 training frames of ARCADE and with version 0.1.0, which follows these less closely than later ones."""

SMALLEST_SHARE = 0.2
"""Smallest piece of a segment against its largest one."""

_LOOKS = (0.0, 0.5)
"""Offsets, down and right, of the looks whose results are averaged, in cells: half a cell apart, so that
edges between the centres of cells are seen as well."""

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
        shape, side = (frame.shape[0], frame.shape[1]), self._network.card.input.size
        seen = np.stack(
            [_square(shape, side * CELL, look / side).cut(np.clip(frame, 0.0, 1.0)) for look in _LOOKS]
        )
        logits = self._network.logits(in_cells(seen))
        of_cells = np.stack([_softmax(look[:_N_CLASSES]) for look in logits])
        values = segments_of_one_artery(of_cells.mean(axis=0))
        shown = np.concatenate(
            [of_cells[:, :1], _sigmoid(logits[:, _N_CLASSES:]), of_cells[:, values]], axis=1
        )
        background, stenosis, *shares = _averaged(shown, shape).clip(0.0, 1.0)
        labels = named_segments(background < TREE_THRESHOLD, np.stack(shares), values)
        return VesselMaps(labels, 1.0 - background, stenosis)


def installed_coronary_folder() -> Path | None:
    """Where the model for angiograms lies, None where none is installed."""
    return model_folder(_INSTALLED_AS) if _INSTALLED_AS in installed_models() else None


def segments_of_one_artery(shares: NDArray[np.float32]) -> NDArray[np.intp]:
    """Label values of the segments that may be in a frame: one injection fills the right or the left artery.

    Args:
        shares: (k, y, x) probability of background and of each segment.
    """
    sums = np.tensordot(shares, 1.0 - shares[0], axes=2)  # what lies beside the vessels has no say
    right, left = ([CORONARY_LABELS[s] for s in artery] for artery in (RIGHT_SEGMENTS, LEFT_SEGMENTS))
    artery = np.sort(right if sums[right].sum() > sums[left].sum() else left)
    likely = artery[shares[artery].max(axis=(1, 2)) > PRESENT]
    return likely if likely.size else artery[:1]


def named_segments(tree: Mask, shares: NDArray[np.float32], values: NDArray[np.intp]) -> NDArray[np.uint8]:
    """(y, x) labels of a tree, without specks and with whole segments.

    Args:
        tree: (y, x) pixels of vessels.
        shares: (n, y, x) probability of each segment that may be there.
        values: (n,) their label values.
    """
    labels = np.zeros(tree.shape, dtype=np.uint8)
    tree = _without_small(tree, SMALLEST_TREE * tree.size)
    if tree.any():
        labels[tree] = values[shares[:, tree].argmax(axis=0)]
        (box,) = ndimage.find_objects(tree.astype(np.uint8))
        _rename_scraps(labels[box], SMALLEST_PIECE * tree.size)
    return labels


def _rename_scraps(labels: NDArray[np.uint8], smallest: float) -> None:
    """Give pieces that are too small for a segment the name of what is next to them, in place."""
    kept = np.zeros(labels.shape, dtype=np.bool_)
    for value in np.unique(labels[labels > 0]):
        kept |= _large_pieces(labels == value, smallest)
    scraps = (labels > 0) & ~kept
    if kept.any() and scraps.any():
        nearest = ndimage.distance_transform_edt(~kept, return_distances=False, return_indices=True)
        labels[scraps] = labels[tuple(nearest[:, scraps])]


def _large_pieces(mask: Mask, smallest: float) -> Mask:
    """The pieces of at least ``smallest`` pixels that are not dwarfed by the largest one."""
    sizes = np.bincount(_pieces(mask).ravel())[1:]
    return _without_small(mask, max(smallest, SMALLEST_SHARE * sizes.max()))


def _without_small(mask: Mask, smallest: float) -> Mask:
    """The pieces of at least ``smallest`` pixels."""
    pieces = _pieces(mask)
    large = np.bincount(pieces.ravel()) >= smallest
    large[0] = False
    return np.asarray(large[pieces], dtype=np.bool_)


def _pieces(mask: Mask) -> NDArray[np.int32]:
    """Pieces numbered from 1; pixels that touch at a corner belong together."""
    return np.asarray(ndimage.label(mask, structure=np.ones((3, 3)))[0], dtype=np.int32)


def _averaged(maps: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(k, y, x) mean over looks of (look, k, cell, cell) maps on the pixels of a frame.

    At the edge, where a shifted look has no cell, it is what the first look shows.
    """
    size = maps.shape[-1]
    first, *others = (
        (_square(shape, size, look / size), shown) for look, shown in zip(_LOOKS, maps, strict=True)
    )
    mean = first[0].back(first[1])
    for n, (window, shown) in enumerate(others, start=2):
        rows, columns = window.footprint
        mean[:, rows, columns] += (window.back(shown) - mean[:, rows, columns]) / n
    return mean


def _square(shape: tuple[int, int], size: int, offset: float = 0.0) -> Window:
    """The smallest square around a frame, seen as ``size`` x ``size`` pixels.

    Args:
        shape: rows and columns of the frame.
        size: pixels on a side.
        offset: of the square to bottom and right, as a share of its side.
    """
    shift = offset * max(shape)
    centre = ((shape[0] - 1) / 2 + shift, (shape[1] - 1) / 2 + shift)
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
