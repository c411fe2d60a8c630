"""Late enhancement: find the heart in every slice, then label it in a window of its own proportions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import LGE_LABELS, Structure
from cvai.domain.message import say
from cvai.domain.tissue.labelled import LabelledSlices
from cvai.domain.tissue.shares import WALL, WHOLE_INFARCT, without_specks
from cvai.errors import ConfigurationInvalid, HeartRefused
from cvai.models.card import ModelCard
from cvai.models.classes import likeliest
from cvai.models.folders import installed_models, model_folder
from cvai.models.heart_search import search_heart
from cvai.models.heart_window import LEVELS_SHARE, HeartBox, levels
from cvai.models.intensity import with_neighbours
from cvai.models.network import Network
from cvai.models.resample import Window
from cvai.models.segmenter import NetworkSegmenter, one_blas_thread

SMALLEST_HEART = 0.002
"""Smallest left ventricle with its wall, as a share of an image: less is a speck. A heart of 40 mm in a field
of view of 500 mm has 0.005."""

_LOOKED_AT, _CLEAR_SCORE = 3, 0.6
"""So many slices are searched for the heart until it has this score in one."""

LEAST_INFARCT_PERCENT, LEAST_NO_REFLOW_PERCENT = 2.4, 3.0
"""Of the myocardium, and of the infarct; less is taken for specks. The first is half of the smallest infarct
drawn in a training patient of EMIDEC (4.9 %), the second did best on those; in 4 of them less was drawn."""

LEAST_INFARCT_ALONE_PERCENT, LEAST_NO_REFLOW_ALONE_PERCENT = 8.0, 15.0
"""The same for a slice without neighbours, of which specks fill a larger share: best on those patients."""

_INSTALLED_AS = "lge"
_N_LABELS = len(LGE_LABELS) + 1
_SIDES = tuple((turn, mirrored) for mirrored in (False, True) for turn in range(4))
"""Quarter turns and mirror images whose logits are averaged."""


class LgeSegmenter(NetworkSegmenter):
    """Labels cavity, myocardium, infarct and no-reflow in slices of late enhancement.

    Neither pixel size nor proportions are needed.

    Raises:
        ConfigurationInvalid: ``model_of_other_view``, the network is for another kind of image.
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        _check_card(network.card)
        super().__init__(network, threads)

    @one_blas_thread
    def segment(self, images: NDArray[np.float32]) -> LabelledSlices:
        """Label (z, y, x) slices, neighbours of each other; one slice is enough.

        Raises:
            HeartRefused: ``heart_not_found``, no left ventricle in any slice.
        """
        seen = with_neighbours(images)
        around = self._located(seen)
        for sides in (_SIDES[:1], _SIDES):  # the first box is that of one slice
            window = around.window((seen.shape[2], seen.shape[3]), self._network.card.input.size)
            logits = self._logits(window.cut(seen), sides)
            labels = self._drawn(logits, window)
            around = self._heart(labels)
        least = (LEAST_INFARCT_PERCENT, LEAST_NO_REFLOW_PERCENT)
        if len(images) == 1:
            least = (LEAST_INFARCT_ALONE_PERCENT, LEAST_NO_REFLOW_ALONE_PERCENT)
        return LabelledSlices(without_specks(labels, *least), _open_percent(logits))

    def _located(self, seen: NDArray[np.float32]) -> HeartBox:
        """Where the heart lies in the middle slice, or in the nearest one that shows it well."""
        size, found = self._network.card.input.size, []
        for z in sorted(range(len(seen)), key=lambda z: abs(z - (len(seen) - 1) / 2))[:_LOOKED_AT]:
            heart = search_heart(seen[z], lambda shown: likeliest(self._network.logits(shown)), size)
            if heart is not None:
                found.append(heart)
            if heart is not None and heart.score >= _CLEAR_SCORE:
                break
        if not found:
            raise _not_found(0.0)
        return max(found, key=lambda heart: heart.score).box

    def _heart(self, labels: NDArray[np.uint8]) -> HeartBox:
        """The box of the heart in all slices of (z, y, x) labels."""
        heart = labels.any(axis=0)
        share = np.count_nonzero(heart) / heart.size
        if share < SMALLEST_HEART:
            raise _not_found(share)
        return HeartBox.around(labels)

    def _logits(
        self, windows: NDArray[np.float32], sides: tuple[tuple[int, bool], ...]
    ) -> NDArray[np.float32]:
        """(z, k, y, x) mean of the logits of windows around the heart, seen from several sides."""
        shown = levels(windows, LEVELS_SHARE)
        logits = np.zeros((len(shown), _N_LABELS, *shown.shape[2:]), dtype=np.float32)
        for turn, mirrored in sides:
            logits += _from_side(self._network.logits(_to_side(shown, turn, mirrored)), turn, mirrored)
        logits /= len(sides)
        return logits

    def _drawn(self, logits: NDArray[np.float32], window: Window) -> NDArray[np.uint8]:
        """(z, y, x) labels on the image's own pixels, one heart."""
        labels = np.zeros((len(logits), *window.shape), dtype=np.uint8)
        rows, columns = window.footprint
        labels[:, rows, columns] = likeliest(window.back(logits))
        return keep_one_heart(labels)


def _open_percent(logits: NDArray[np.float32]) -> float:
    """See ``LabelledSlices.infarct_open_percent``."""
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    infarct, wall = (shares[:, values].sum(axis=1) for values in (WHOLE_INFARCT, WALL))
    left_open = np.minimum(infarct, 1.0 - infarct).sum()
    return float(100.0 * left_open / max(1, np.count_nonzero(wall > 0.5)))


def _not_found(share: float) -> HeartRefused:
    return HeartRefused(
        "heart_not_found",
        say(
            "No left ventricle was found: the largest candidate fills {percent:.2f} % of the image.",
            percent=100 * share,
        ),
        say("Check that the image shows late enhancement in the short axis of the heart."),
    )


def installed_lge_folder() -> Path | None:
    """Where the model for late enhancement lies, None where none is installed."""
    return model_folder(_INSTALLED_AS) if _INSTALLED_AS in installed_models() else None


def keep_one_heart(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the largest piece of (z, y, x) labels, cavity and wall together, and fill its holes with cavity.

    A pixel that nothing was found in and that is enclosed within a slice belongs to the heart.
    """
    pieces, count = ndimage.label(labels > 0)
    kept = labels
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        kept = np.where(pieces == sizes.argmax(), labels, 0).astype(np.uint8)
    for plane in kept:
        plane[ndimage.binary_fill_holes(plane > 0) & (plane == 0)] = LGE_LABELS[Structure.LV_CAVITY]
    return kept


def _to_side(images: NDArray[np.float32], turn: int, mirrored: bool) -> NDArray[np.float32]:
    turned = np.rot90(images, turn, axes=(2, 3))
    return np.ascontiguousarray(turned[..., ::-1] if mirrored else turned)


def _from_side(maps: NDArray[np.float32], turn: int, mirrored: bool) -> NDArray[np.float32]:
    return np.rot90(maps[..., ::-1] if mirrored else maps, -turn, axes=(2, 3))


def _check_card(card: ModelCard) -> None:
    if card.view != "lge" or card.labels != dict(LGE_LABELS):
        raise ConfigurationInvalid(
            "model_of_other_view",
            f"Model {card.name} {card.version} is for {card.view}, not for late enhancement.",
            "Name a model for late enhancement; `cvai models list` shows what each is for.",
        )
