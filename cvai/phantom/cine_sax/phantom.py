"""A synthetic short-axis cine with its truth: the straight line through this package."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cvai.domain.cine import CineStack
from cvai.domain.segmentation import CineSegmentation
from cvai.phantom.beat import ejected_share
from cvai.phantom.cine_sax.individual import Individual
from cvai.phantom.cine_sax.labels import true_labels
from cvai.phantom.cine_sax.paint import Image
from cvai.phantom.cine_sax.regional import RegionalMotion
from cvai.phantom.cine_sax.scanner import Scanner
from cvai.phantom.cine_sax.scene import HeartScene
from cvai.phantom.cine_sax.stack import lay_slices
from cvai.phantom.cine_sax.tissue import Contrast
from cvai.phantom.cine_sax.torso import Torso
from cvai.phantom.cine_sax.truth import PhantomTruth, truth_of
from cvai.phantom.cine_sax.ventricles import beating_ventricles
from cvai.phantom.cine_sax.view import HeartView, heart_view
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.phantom.seeds import Stream, generator

RR_VARIATION = 0.015
"""Standard deviation of the heart rate from one breath-hold to the next, as a share."""


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A cine as a scanner would have stored it, and what is true about it.

    Args:
        pixels: (t, z, y, x) stored values.
        trigger_times_ms: (t, z) time after the R wave.
        rr_intervals_ms: (z,) mean heartbeat during each slice's breath-hold.
        labels: true labels on the same grid.
        truth: true volumes.
    """

    pixels: NDArray[np.uint16]
    trigger_times_ms: NDArray[np.float64]
    rr_intervals_ms: NDArray[np.float64]
    labels: CineSegmentation
    truth: PhantomTruth

    @property
    def stack(self) -> CineStack:
        """The cine as the engine sees it once a study has been read."""
        return CineStack(
            stored=self.pixels.view(),
            geometry=self.labels.geometry,
            trigger_times_ms=self.trigger_times_ms,
            heart_rate_bpm=self.truth.heart.heart_rate_bpm,
        )


def make_phantom(
    heart: PhantomHeart, acquisition: PhantomAcquisition, regional: RegionalMotion | None = None
) -> Phantom:
    """Image a heart; the same arguments give the same pixels.

    Args:
        heart: what it is asked to be.
        acquisition: how it is imaged.
        regional: motion of single segments; the heart then ejects less or more than it was asked to.

    Raises:
        ConfigurationInvalid: the slices do not reach the apex.
    """
    stack = lay_slices(heart, acquisition)
    fraction = np.arange(acquisition.n_phases) / acquisition.n_phases
    share = ejected_share(fraction, heart.heart_rate_bpm)
    even = beating_ventricles(heart, Individual.drawn(acquisition.seed), share, stack.discs)
    ventricles = replace(even, regional=regional)
    contrast = Contrast.drawn(acquisition.seed)
    scene = HeartScene(ventricles, contrast, stack, share, acquisition.seed)
    views = tuple(
        heart_view(stack, index, scene.reach_mm, acquisition.seed) for index in range(stack.geometry.n_slices)
    )
    labels = true_labels(ventricles, stack, views)
    rr_intervals_ms = _rr_intervals_ms(heart, acquisition.seed, stack.geometry.n_slices)
    return Phantom(
        pixels=_image(scene, views),
        trigger_times_ms=fraction[:, None] * rr_intervals_ms[None, :],
        rr_intervals_ms=rr_intervals_ms,
        labels=labels,
        truth=truth_of(heart, acquisition, ventricles, stack.discs, labels),
    )


def _rr_intervals_ms(heart: PhantomHeart, seed: int, n_slices: int) -> NDArray[np.float64]:
    rng = generator(seed, Stream.PLACEMENT, n_slices + 1)
    return np.asarray(np.rint(heart.rr_interval_ms * (1.0 + RR_VARIATION * rng.uniform(-1.7, 1.7, n_slices))))


def _image(scene: HeartScene, views: tuple[HeartView, ...]) -> NDArray[np.uint16]:
    """(t, z, y, x) stored values."""
    stack, contrast, seed = scene.stack, scene.contrast, scene.seed
    scanner = Scanner.drawn(seed, contrast)
    torso = Torso.drawn(seed, contrast, stack)
    slices = [_slice(scene, torso, scanner, index, view) for index, view in enumerate(views)]
    return np.stack(slices, axis=1)


def _slice(
    scene: HeartScene, torso: Torso, scanner: Scanner, index: int, view: HeartView
) -> NDArray[np.uint16]:
    """(t, y, x) stored values of one slice."""
    stack = scene.stack
    depth_share = stack.discs.depths_mm[index] / scene.ventricles.profiles.apex_mm
    chest = torso.slice_signal(index, depth_share, scene.lv_radius_mm(index))
    signal: Image = np.repeat(chest[None], len(scene.ejected_share), axis=0)
    signal[:, *view.window] = scene.slice_signal(index, view, chest[view.window])
    sensitivity = scanner.sensitivity(torso.skin_depth_mm(depth_share), stack)
    return scanner.stored(signal, sensitivity, stack, index)
