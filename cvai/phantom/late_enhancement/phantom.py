"""Late enhancement of the heart of a cine phantom at end-diastole, with an infarct of known size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID
from scipy import ndimage

from cvai.domain.anatomy import LGE_LABELS, SAX_LABELS, Structure
from cvai.domain.tissue.segments import share_name
from cvai.domain.tissue.shares import (
    CAVITY,
    NO_REFLOW,
    WALL,
    WHOLE_INFARCT,
    infarct_share_percent,
    share_percent,
)
from cvai.domain.ventricles.segments import WALL_SEGMENTS, level_of
from cvai.phantom.cine_sax.individual import Individual
from cvai.phantom.cine_sax.phantom import Phantom, make_phantom
from cvai.phantom.cine_sax.stack import SliceStack, lay_slices
from cvai.phantom.cine_sax.truth import PhantomTruth
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart, require
from cvai.phantom.seeds import Stream, generator

_OWN_NOISE = 1000
"""Index of the noise of this phantom's slices, apart from those of the cine."""

_BODY, _BLOOD, _NULLED, _ENHANCED, _DARK = 0.45, 0.62, 0.18, 0.92, 0.12
"""Brightness of chest, blood, healthy myocardium, infarct and no-reflow; white is 1."""

_WHITE = 1000.0
_NO_REFLOW_DEPTHS = (0.15, 0.5)
_NO_REFLOW_ANGLE = 0.6


@dataclass(frozen=True, slots=True)
class Scar:
    """An infarct: a sector of the wall, from the endocardium outwards.

    Args:
        angle_deg: its middle, counted on the image from the right, counter-clockwise as displayed.
        width_deg: along the circumference; 0 for no infarct.
        depth: share of the wall's thickness.
        first: share of the slices from the base on that it leaves out.
        no_reflow: whether its core has not been reached by contrast.

    Raises:
        ConfigurationInvalid: a value is out of range.
    """

    angle_deg: float = 60.0
    width_deg: float = 90.0
    depth: float = 0.75
    first: float = 0.2
    no_reflow: bool = False

    def __post_init__(self) -> None:
        require("angle_deg", self.angle_deg, -360.0, 360.0, "degrees")
        require("width_deg", self.width_deg, 0.0, 360.0, "degrees")
        require("depth", self.depth, 0.1, 1.0, "of the wall")
        require("first", self.first, 0.0, 0.9, "of the slices")


@dataclass(frozen=True, slots=True)
class EnhancementTruth:
    """What is true of a phantom.

    Args:
        study_uid: StudyInstanceUID, that of the cine.
        infarct_share_percent: of the myocardium, no-reflow included.
        no_reflow_share_percent: of the myocardium.
        segments_percent: share of each segment that is infarct, by name of the measurement.
        lv_mass_g: of the slices that show myocardium.
        scar: which was painted.
        cine: what is true of the cine of the same heart.
    """

    study_uid: UID
    infarct_share_percent: float
    no_reflow_share_percent: float
    segments_percent: Mapping[str, float] = field(hash=False)
    lv_mass_g: float
    scar: Scar
    cine: PhantomTruth

    def to_json(self) -> dict[str, Any]:
        """The content of truth.json; ``measurements`` has the names of result.json."""
        return {
            "schema": "cvai.phantom_enhancement/1",
            "study_uid": self.study_uid,
            "measurements": {
                "infarct_share": self.infarct_share_percent,
                "no_reflow_share": self.no_reflow_share_percent,
                "lv_mass": self.lv_mass_g,
                **self.segments_percent,
            },
            "scar": asdict(self.scar),
            "cine": self.cine.to_json(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class EnhancementPhantom:
    """Late enhancement as a scanner would have stored it.

    Args:
        cine: of the same heart, at the same places.
        pixels: (z, y, x) stored values.
        labels: (z, y, x) values of LGE_LABELS.
        truth: true shares.
    """

    cine: Phantom
    pixels: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    truth: EnhancementTruth


def make_enhancement_phantom(
    heart: PhantomHeart, acquisition: PhantomAcquisition, scar: Scar
) -> EnhancementPhantom:
    """Image a heart after contrast; the same arguments give the same pixels.

    Raises:
        ConfigurationInvalid: the slices do not reach the apex.
    """
    cine = make_phantom(heart, acquisition)
    end_diastole = cine.truth.phases.end_diastole
    ventricles = cine.labels.labels[end_diastole]
    labels = np.stack(
        [
            _with_scar(plane, scar if z >= scar.first * len(ventricles) else None)
            for z, plane in enumerate(ventricles)
        ]
    )
    truth = EnhancementTruth(
        study_uid=cine.truth.study_uid,
        infarct_share_percent=infarct_share_percent(labels),
        no_reflow_share_percent=share_percent(labels, (NO_REFLOW,)),
        segments_percent=_segments_percent(labels, lay_slices(heart, acquisition), acquisition.seed),
        lv_mass_g=cine.truth.lv_mass_g,
        scar=scar,
        cine=cine.truth,
    )
    pixels = _pixels(cine.pixels[end_diastole], ventricles, labels, acquisition.seed)
    return EnhancementPhantom(cine, pixels, labels, truth)


def _segments_percent(labels: NDArray[np.uint8], stack: SliceStack, seed: int) -> dict[str, float]:
    """Infarct of each segment by name, counted from the septum of the heart that was painted, base first."""
    shape = Individual.drawn(seed)
    septum_rad = shape.rv_centre_rad + (shape.rv_anterior_rad - shape.rv_inferior_rad) / 2
    slices = np.flatnonzero((labels == CAVITY).any(axis=(1, 2)))
    wall, infarct = dict.fromkeys(WALL_SEGMENTS, 0), dict.fromkeys(WALL_SEGMENTS, 0)
    for place, plane in enumerate(labels[slices]):
        u_mm, v_mm = (axis - axis[plane == CAVITY].mean() for axis in (stack.u_mm, stack.v_mm))
        # v points down, so that angles grow clockwise as the heart is seen from its apex.
        from_septum_deg = -np.rad2deg(np.arctan2(v_mm, u_mm) - septum_rad)
        for segment in (s for s in WALL_SEGMENTS if s.level is level_of(place, len(slices))):
            inside = plane[segment.holds(from_septum_deg)]
            wall[segment] += int(np.isin(inside, WALL).sum())
            infarct[segment] += int(np.isin(inside, WHOLE_INFARCT).sum())
    return {share_name(s): 100.0 * infarct[s] / wall[s] for s in WALL_SEGMENTS if wall[s]}


def _with_scar(ventricles: NDArray[np.uint8], scar: Scar | None) -> NDArray[np.uint8]:
    """(y, x) values of LGE_LABELS of a slice of SAX_LABELS."""
    cavity = ventricles == SAX_LABELS[Structure.LV_CAVITY]
    wall = ventricles == SAX_LABELS[Structure.LV_MYOCARDIUM]
    labels = np.zeros_like(ventricles)
    labels[cavity], labels[wall] = LGE_LABELS[Structure.LV_CAVITY], LGE_LABELS[Structure.LV_MYOCARDIUM]
    if scar is None or not cavity.any():
        return labels
    depth, off_deg = _depth(cavity, wall), np.abs(_angle_from(cavity, scar.angle_deg))
    labels[wall & (off_deg < scar.width_deg / 2) & (depth < scar.depth)] = LGE_LABELS[Structure.INFARCT]
    if scar.no_reflow:
        low, high = (share * scar.depth for share in _NO_REFLOW_DEPTHS)
        core = (off_deg < _NO_REFLOW_ANGLE * scar.width_deg / 2) & (low < depth) & (depth < high)
        labels[wall & core] = LGE_LABELS[Structure.NO_REFLOW]
    return labels


def _depth(cavity: NDArray[np.bool_], wall: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(y, x) how far within the wall a pixel lies: 0 at the endocardium, 1 at the epicardium."""
    from_inside = ndimage.distance_transform_edt(~cavity)
    from_outside = ndimage.distance_transform_edt(cavity | wall)
    return np.asarray(from_inside / np.maximum(from_inside + from_outside, 1e-6))


def _angle_from(cavity: NDArray[np.bool_], angle_deg: float) -> NDArray[np.float64]:
    """(y, x) angle around the middle of the cavity, from ``angle_deg`` on, between -180 and 180."""
    row, column = (indices.mean() for indices in np.nonzero(cavity))
    y, x = np.indices(cavity.shape)
    return np.asarray((np.rad2deg(np.arctan2(row - y, x - column)) - angle_deg + 180.0) % 360.0 - 180.0)


def _pixels(
    chest: NDArray[np.uint16], ventricles: NDArray[np.uint8], labels: NDArray[np.uint8], seed: int
) -> NDArray[np.uint16]:
    """(z, y, x) stored values: the heart after contrast in the chest of the cine."""
    white = float(np.percentile(chest, 99.5))
    signal = np.clip(chest / white, 0.0, 1.0) * _BODY
    blood = (labels == LGE_LABELS[Structure.LV_CAVITY]) | (ventricles == SAX_LABELS[Structure.RV_CAVITY])
    signal[blood] = _BLOOD
    for structure, brightness in (
        (Structure.LV_MYOCARDIUM, _NULLED),
        (Structure.INFARCT, _ENHANCED),
        (Structure.NO_REFLOW, _DARK),
    ):
        signal[labels == LGE_LABELS[structure]] = brightness
    noise = generator(seed, Stream.NOISE, _OWN_NOISE).normal(0.0, 0.02, signal.shape)
    return np.rint(np.clip(signal + noise, 0.0, None) * _WHITE).astype(np.uint16)
