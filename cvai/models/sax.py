"""Short-axis cine: find the heart anywhere in the field of view, then label every frame around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.cine import CineStack
from cvai.domain.message import say
from cvai.domain.phases import key_phases, possible_key_phases
from cvai.domain.segmentation import CineSegmentation, background
from cvai.domain.ventricles.short_axis import enclosure
from cvai.errors import ConfigurationInvalid, HeartRefused
from cvai.models.card import InputCard, ModelCard
from cvai.models.classes import likeliest
from cvai.models.intensity import intensity_range, sampling_step, scaled, with_neighbours
from cvai.models.looks import shown_by
from cvai.models.network import Network
from cvai.models.resample import Window, full_window
from cvai.models.segmenter import NetworkSegmenter, one_blas_thread
from cvai.models.specks import without_specks

LOCATING_PHASES = 2
"""Phases, spread over the heartbeat, in which the heart is looked for in the whole field of view: even slices
in the first, odd ones in the second, since a heart changes little from a slice to the next."""

LOCATING_SCALE = 4 / 3
"""The heart is looked for on pixels this much larger than the network's own: in training it has met hearts of
three quarters of their size, and the whole field of view takes about half the time."""

WINDOW_MARGIN_MM = 24.0
"""Room around the heart as located; hearts move and dilate less than this within a beat."""

FURTHER_TURNS = (1, 2, 3)
"""Quarter turns after which end-diastole and end-systole, which all numbers come from, are looked at again;
the logits of all four sides are added up."""

_PIECE_VOXELS = 2**20
"""Slices are rescaled, cut and drawn in pieces of about so many voxels of the image, whatever the size of the
study: sixteen slices of 256 x 256."""

_CAVITY = SAX_LABELS[Structure.LV_CAVITY]

_LEFT_VENTRICLE = (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM)

LEAST_RING = 0.8
"""Share of the border of a second heart's cavity that is wall, in every slice that counts."""

SMALLEST_HEART_ML = 15.0
"""Left ventricle and wall together, below which nothing is called a heart."""


class SaxSegmenter(NetworkSegmenter):
    """Labels left ventricle, its myocardium and right ventricle in every frame of a short-axis cine."""

    def __init__(self, network: Network, threads: int = 1) -> None:
        super().__init__(network, threads)
        self._input = _input_card(network.card)

    @one_blas_thread
    def segment(self, stack: CineStack) -> CineSegmentation:
        """Label every frame of ``stack``, on its own grid.

        Raises:
            HeartRefused: no left ventricle was found.
        """
        greys = _Greys.of(stack)
        window, second_heart_ml = self._locate(greys)
        at_once = max(1, self._network.images_at_once(*window.size) // stack.shape[1])
        step = max(self._threads, at_once)
        labels = background(stack.shape)
        rows, columns = window.footprint
        seen: dict[int, _Seen] = {}
        cavity_voxels: list[int] = []
        for first in range(0, stack.n_phases, step):
            phases = range(first, min(first + step, stack.n_phases))
            images = self._each(partial(greys.cut, window), phases)
            seen |= {
                t: _Seen(image, logits)
                for t, image, logits in zip(
                    phases, images, self._logits_of_phases(images, at_once), strict=True
                )
            }
            drawn = self._each(partial(_labels, window), [seen[t].logits for t in phases])
            labels[phases.start : phases.stop, :, rows, columns] = drawn
            cavity_voxels += [int(np.count_nonzero(phase == _CAVITY)) for phase in drawn]
            measured = possible_key_phases(np.array(cavity_voxels, dtype=np.float64))
            seen = {t: seen[t] for t in measured}
        shown = {}
        for t in sorted(_measured_phases(cavity_voxels)):
            looks = [seen[t].logits, *(self._logits(seen[t].images, turn) for turn in FURTHER_TURNS)]
            summed = np.sum(looks, axis=0)
            labels[t, :, rows, columns] = _labels(window, summed)
            kept = keep_one_heart(likeliest(summed))
            shown[t] = shown_by(seen[t].images, kept, looks, stack.geometry)
        return CineSegmentation(labels, stack.geometry, second_heart_ml, shown)

    def _locate(self, greys: _Greys) -> tuple[Window, float]:
        """The window that holds the heart in all slices and phases, and the mL of a second one elsewhere."""
        n_phases, _, n_rows, n_columns = greys.stack.shape
        geometry = greys.stack.geometry
        spacing_mm = (geometry.spacing_y_mm, geometry.spacing_x_mm)
        card, looking_mm = self._input, self._input.spacing_mm * LOCATING_SCALE
        whole = _padded(full_window((n_rows, n_columns), spacing_mm, looking_mm), card.multiple_of)
        phases = np.unique(np.linspace(0, n_phases, LOCATING_PHASES, endpoint=False).astype(int))
        seen = [
            self._look(greys.cut(whole, int(t)), slice(first, None, len(phases)))
            for first, t in enumerate(phases)
        ]
        hearts = [keep_one_heart(labels) > 0 for labels in seen]
        voxel_ml = geometry.slice_spacing_mm * looking_mm**2 / 1000.0 * len(phases)
        largest_ml = max(np.count_nonzero(heart) for heart in hearts) * voxel_ml
        if largest_ml < SMALLEST_HEART_ML:
            raise HeartRefused(
                "heart_not_found",
                say(
                    "No left ventricle was found: the largest candidate measures {largest_ml:.1f} mL.",
                    largest_ml=largest_ml,
                ),
                say("Check that the series is a short-axis cine of the heart."),
            )
        found = np.any([heart.any(axis=0) for heart in hearts], axis=0)
        second_ml = max(second_ventricle_voxels(labels) for labels in seen) * voxel_ml
        return _padded(_window_around(found, whole, card.spacing_mm), card.multiple_of), second_ml

    def _look(self, images: NDArray[np.float32], slices: slice) -> NDArray[np.uint8]:
        """(z, y, x) labels of some slices of one phase's (z, y, x) window, everything that was found."""
        logits = self._network.logits(with_neighbours(images)[slices])
        return likeliest(logits)

    def _logits_of_phases(
        self, images: Sequence[NDArray[np.float32]], at_once: int
    ) -> list[NDArray[np.float32]]:
        """(z, k, y, x) logits of each phase's (z, y, x) window, so many phases in one call of the network."""
        if at_once == 1:
            return [self._logits(phase) for phase in images]
        found: list[NDArray[np.float32]] = []
        for first in range(0, len(images), at_once):
            phases = images[first : first + at_once]
            together = self._network.logits(np.concatenate([with_neighbours(phase) for phase in phases]))
            # Copies: a view would keep the logits of all of them as long as one phase's are kept.
            found += [part.copy() for part in np.split(together, len(phases))]
        return found

    def _logits(self, images: NDArray[np.float32], turn: int = 0) -> NDArray[np.float32]:
        """(z, k, y, x) logits of one phase's (z, y, x) window, seen after ``turn`` quarter turns."""
        turned = np.rot90(with_neighbours(images), turn, axes=(2, 3))
        return np.rot90(self._network.logits(turned), -turn, axes=(2, 3))


@dataclass(frozen=True, slots=True, eq=False)
class _Greys:
    """A cine scaled by what all of it shows; no more of it is in memory at once than a few slices.

    Args:
        stack: the cine.
        low: intensity that becomes 0.
        high: intensity that becomes 1.
    """

    stack: CineStack
    low: float
    high: float

    @classmethod
    def of(cls, stack: CineStack) -> _Greys:
        return cls(stack, *intensity_range(stack.sample(sampling_step(stack.stored.size))))

    def cut(self, window: Window, t: int) -> NDArray[np.float32]:
        """(z, y, x) images of one phase, resampled to the window."""
        _, n_slices, rows, columns = self.stack.shape
        return np.concatenate(
            [
                window.cut(scaled(self.stack.phase(t, part), self.low, self.high))
                for part in _pieces(n_slices, rows * columns)
            ]
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What the network was shown of a phase, (z, y, x), and its (z, k, y, x) logits."""

    images: NDArray[np.float32]
    logits: NDArray[np.float32]


def _pieces(n_slices: int, pixels: int) -> Iterator[slice]:
    """Runs of slices of so many pixels that make up a stack, none larger than _PIECE_VOXELS if it can be."""
    step = max(1, _PIECE_VOXELS // pixels)
    return (slice(first, first + step) for first in range(0, n_slices, step))


def _labels(window: Window, logits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(z, y, x) labels of one phase on the image's pixels within the window's footprint."""
    pieces = _pieces(len(logits), window.shape[0] * window.shape[1])
    heart = keep_one_heart(np.concatenate([likeliest(window.back(logits[part])) for part in pieces]))
    return without_specks(heart, window.spacing_mm[0] * window.spacing_mm[1])


def _measured_phases(cavity_voxels: Sequence[int]) -> set[int]:
    """End-diastole and end-systole by the (t,) voxels of the cavity; all where there are no more than two."""
    if len(cavity_voxels) <= 2:
        return set(range(len(cavity_voxels)))
    phases = key_phases(np.array(cavity_voxels, dtype=np.float64))
    return {phases.end_diastole, phases.end_systole}


def _input_card(card: ModelCard) -> InputCard:
    if card.view != "sax_cine" or not isinstance(card.input, InputCard):
        raise ConfigurationInvalid(
            "model_of_other_view",
            f"Model {card.name} {card.version} is for {card.view}, not for short-axis cines.",
            "Name a short-axis model; `cvai models list` shows what each is for.",
        )
    return card.input


def _padded(window: Window, multiple_of: int) -> Window:
    rows, columns = (-(-n // multiple_of) * multiple_of for n in window.size)
    return Window(window.shape, window.spacing_mm, window.centre, (rows, columns), window.window_spacing_mm)


def _window_around(found: NDArray[np.bool_], whole: Window, spacing_mm: float) -> Window:
    """The smallest window with WINDOW_MARGIN_MM around ``found`` (y, x), a map on ``whole``'s pixels."""
    middles, sizes = [], []
    for axis in (0, 1):
        indices = np.flatnonzero(found.any(axis=1 - axis))
        middles.append((indices[0] + indices[-1]) / 2)
        extent_mm = (indices[-1] - indices[0] + 1) * whole.window_spacing_mm
        sizes.append(int(np.ceil((extent_mm + 2 * WINDOW_MARGIN_MM) / spacing_mm)))
    centre = whole.to_plane((float(middles[0]), float(middles[1])))
    return Window(whole.shape, whole.spacing_mm, centre, (sizes[0], sizes[1]), spacing_mm)


def second_ventricle_voxels(labels: NDArray[np.uint8]) -> int:
    """Voxels of the second largest left ventricle in (z, y, x) labels, cavity and wall; 0 without one.

    Only slices count in which wall surrounds the cavity: stomach and liver are labelled without that.
    """
    components, count = ndimage.label(np.isin(labels, [SAX_LABELS[s] for s in _LEFT_VENTRICLE]))
    if count < 2:
        return 0
    second = components == 1 + np.argsort(np.bincount(components.ravel())[1:])[-2]
    rings = [part for plane, part in zip(labels, second, strict=True) if _is_ring(plane, part)]
    return sum(int(np.count_nonzero(part)) for part in rings)


def _is_ring(labels: NDArray[np.uint8], part: NDArray[np.bool_]) -> bool:
    """Whether ``part`` of (y, x) labels is a cavity with wall around it."""
    cavity, wall = (part & (labels == SAX_LABELS[structure]) for structure in _LEFT_VENTRICLE)
    return bool(cavity.any()) and enclosure(cavity, wall) >= LEAST_RING


def keep_one_heart(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drop everything but the largest left ventricle (cavity and wall) and the largest right one.

    Args:
        labels: (z, y, x) values of SAX_LABELS; voxels are neighbours across faces.
    """
    cavity, wall, right = (SAX_LABELS[s] for s in SAX_LABELS)
    kept = np.zeros_like(labels)
    for values in ((cavity, wall), (right,)):
        mask = np.isin(labels, values)
        components, count = ndimage.label(mask)
        if count > 1:
            sizes = np.sum([np.bincount(part.ravel(), minlength=count + 1) for part in components], axis=0)
            mask = components == 1 + np.argmax(sizes[1:])
        kept[mask] = labels[mask]
    return kept
