"""What a phantom is asked to be: the heart, and the way it is imaged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cvai.errors import ConfigurationInvalid
from cvai.phantom.seeds import Stream, generator

_ADULT_EDV_ML = 130.0
_ADULT_LONG_AXIS_MM = 80.0
"""Mean of the 20 healthy ACDC training patients: slices with LV cavity at end-diastole times their step."""

_MAPSE_PER_EF_PERCENT_MM = 0.2
"""The mitral ring of a healthy adult moves a good centimetre, that of a failing heart half as much (reference
values: Wang et al., Eur Heart J Cardiovasc Imaging 2023;24:1384-1393); here a line through zero."""

_TAPSE_PER_MAPSE = 1.4
"""The tricuspid ring travels further than the mitral one: in the healthy ACDC patients the RV loses 18 mm of
slices from ED to ES, and 2 cm is the usual tricuspid excursion of an echocardiogram."""


def require(name: str, value: float, low: float, high: float, unit: str) -> None:
    """Refuse what a phantom cannot be.

    Raises:
        ConfigurationInvalid: ``phantom_parameter_out_of_range``.
    """
    if not (math.isfinite(value) and low <= value <= high):
        raise ConfigurationInvalid(
            "phantom_parameter_out_of_range",
            f"{name} is {value:g} {unit}.",
            f"Choose {name} between {low:g} and {high:g} {unit}.",
        )


@dataclass(frozen=True, slots=True)
class PhantomHeart:
    """A beating heart with volumes known beforehand.

    Both ventricles eject the same stroke volume, as they do without a leak or a shunt.

    Args:
        ef_percent: ejection fraction of the left ventricle.
        edv_ml: end-diastolic volume of the left ventricle, papillary muscles counted as cavity.
        lv_mass_g: mass of the left ventricular wall, the same in every phase.
        rv_edv_ml: end-diastolic volume of the right ventricle.
        heart_rate_bpm: mean heart rate.

    Raises:
        ConfigurationInvalid: a value lies outside what this phantom can draw as a heart.
    """

    ef_percent: float = 55.0
    edv_ml: float = 140.0
    lv_mass_g: float = 110.0
    rv_edv_ml: float = 155.0
    heart_rate_bpm: float = 65.0

    def __post_init__(self) -> None:
        require("ef_percent", self.ef_percent, 10.0, 80.0, "%")
        require("edv_ml", self.edv_ml, 50.0, 320.0, "mL")
        require("lv_mass_g", self.lv_mass_g, 40.0, 300.0, "g")
        require("heart_rate_bpm", self.heart_rate_bpm, 35.0, 150.0, "/min")
        require("rv_edv_ml", self.rv_edv_ml, 1.25 * self.stroke_volume_ml, 350.0, "mL")

    @classmethod
    def drawn(cls, seed: int, ef_percent: float = 55.0, edv_ml: float | None = None) -> PhantomHeart:
        """A heart that goes with ``ef_percent``: a failing ventricle is large, its wall heavier.

        >>> PhantomHeart.drawn(seed=1, ef_percent=25.0).edv_ml > PhantomHeart.drawn(seed=1).edv_ml
        True
        """
        require("ef_percent", ef_percent, 10.0, 80.0, "%")
        rng = generator(seed, Stream.HEART)
        size, wall, right = rng.uniform(0.9, 1.1), rng.uniform(0.9, 1.15), rng.uniform(1.0, 1.2)
        heart_rate_bpm = float(np.round(rng.uniform(55.0, 85.0)))
        if edv_ml is None:
            edv_ml = float(np.round(size * (135.0 + 1.6 * max(0.0, 55.0 - ef_percent))))
        rv_edv_ml = right * max(100.0 + 0.2 * edv_ml, 1.5 * edv_ml * ef_percent / 100.0)
        return cls(
            ef_percent=ef_percent,
            edv_ml=edv_ml,
            lv_mass_g=float(np.round(wall * 105.0 * (edv_ml / _ADULT_EDV_ML) ** 0.5)),
            rv_edv_ml=float(np.round(rv_edv_ml)),
            heart_rate_bpm=heart_rate_bpm,
        )

    @property
    def stroke_volume_ml(self) -> float:
        """Blood ejected by each ventricle in a beat."""
        return self.edv_ml * self.ef_percent / 100.0

    @property
    def esv_ml(self) -> float:
        """End-systolic volume of the left ventricle."""
        return self.edv_ml - self.stroke_volume_ml

    @property
    def rv_esv_ml(self) -> float:
        """End-systolic volume of the right ventricle."""
        return self.rv_edv_ml - self.stroke_volume_ml

    @property
    def rr_interval_ms(self) -> float:
        """Duration of one heartbeat."""
        return 60_000.0 / self.heart_rate_bpm

    @property
    def long_axis_mm(self) -> float:
        """Length of the LV cavity from the mitral ring to the apex at end-diastole.

        >>> round(PhantomHeart(edv_ml=130.0).long_axis_mm, 1)
        80.0
        """
        return float(_ADULT_LONG_AXIS_MM * (self.edv_ml / _ADULT_EDV_ML) ** 0.25)

    @property
    def mitral_descent_mm(self) -> float:
        """How far the mitral ring moves towards the apex from end-diastole to end-systole."""
        return _MAPSE_PER_EF_PERCENT_MM * self.ef_percent

    @property
    def tricuspid_descent_mm(self) -> float:
        """How far the tricuspid ring moves towards the apex from end-diastole to end-systole."""
        return _TAPSE_PER_MAPSE * self.mitral_descent_mm


@dataclass(frozen=True, slots=True)
class PhantomAcquisition:
    """How the heart is imaged: a stack of parallel short-axis slices, each a cine of its own breath-hold.

    Args:
        n_slices: slices from above the base towards the apex; None for as many as the heart needs.
        n_phases: cardiac phases of every slice, evenly spread over the heartbeat.
        rows: image height.
        columns: image width.
        spacing_y_mm: distance between rows.
        spacing_x_mm: distance between columns.
        slice_thickness_mm: thickness of a slice.
        slice_spacing_mm: distance between neighbouring slice planes, gap included.
        rotation_degrees: turn of the image axes within the slice; None to draw it from the seed.
        seed: all else that differs between patients: place in the field of view, body, contrast, noise.

    Raises:
        ConfigurationInvalid: a value is out of range, or the field of view cannot hold a chest.
    """

    n_slices: int | None = None
    n_phases: int = 25
    rows: int = 256
    columns: int = 256
    spacing_y_mm: float = 1.4
    spacing_x_mm: float = 1.4
    slice_thickness_mm: float = 8.0
    slice_spacing_mm: float = 10.0
    rotation_degrees: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_slices is not None:
            require("n_slices", self.n_slices, 4, 60, "slices")
        require("n_phases", self.n_phases, 8, 60, "phases")
        require("rows", self.rows, 64, 512, "pixels")
        require("columns", self.columns, 64, 512, "pixels")
        require("spacing_y_mm", self.spacing_y_mm, 0.7, 3.0, "mm")
        require("spacing_x_mm", self.spacing_x_mm, 0.7, 3.0, "mm")
        require("slice_thickness_mm", self.slice_thickness_mm, 3.0, 12.0, "mm")
        require("slice_spacing_mm", self.slice_spacing_mm, self.slice_thickness_mm, 15.0, "mm")
        require("rotation_degrees", self.rotation_degrees or 0.0, -360.0, 360.0, "degrees")
        require("seed", self.seed, 0, 2**32 - 1, "")
        for axis, extent_mm in (
            ("y", self.rows * self.spacing_y_mm),
            ("x", self.columns * self.spacing_x_mm),
        ):
            require(f"field of view along {axis}", extent_mm, 220.0, 600.0, "mm")
