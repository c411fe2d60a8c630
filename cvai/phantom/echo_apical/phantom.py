"""Two apical loops of one synthetic heart with their truth: the straight line through this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID

from cvai.domain.echo.function import Volumes
from cvai.domain.echo.views import EchoView
from cvai.domain.phases import KeyPhases
from cvai.domain.strain import strain_percent
from cvai.phantom.beat import ejected_share, systole_fraction
from cvai.phantom.echo_apical.atrium import EchoAtrium
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.plane import ApicalPlane, Placement
from cvai.phantom.echo_apical.scanner import Beams, Speckle, pixels_mm
from cvai.phantom.echo_apical.ventricle import EchoVentricle, beating_ventricle
from cvai.phantom.parameters import PhantomHeart
from cvai.phantom.uids import phantom_uid

LAYERS: Mapping[str, float] = MappingProxyType({"endo": 0.0, "mid": 0.5})
"""Depth in the wall of the borders whose strain is stated."""

VIEWS = (EchoView.APICAL_4_CHAMBER, EchoView.APICAL_2_CHAMBER)
TRUTH_SCHEMA = "cvai.echo_phantom/1"


@dataclass(frozen=True, slots=True)
class EchoTruth:
    """What is true about a phantom, in closed form.

    Args:
        by_discs: what discs of one height give (cvai.domain.echo.simpson): a ventricle that has shortened is
            measured with the discs of the long one, so end-systole comes out larger than it is.
        continuous: the volumes themselves.
        phases: end-diastole and end-systole of the first beat.
        curve_ml: (t,) volume of the left ventricle in every frame.
        atrium_ml: (t,) volume of the left atrium in every frame.
        strain_percent: (t,) strain of the borders since end-diastole in every frame, by layer and view,
            such as ``endo_a4c``.
        heart: what was asked for.
        acquisition: how it was imaged.
    """

    by_discs: Volumes
    continuous: Volumes
    phases: KeyPhases
    curve_ml: tuple[float, ...]
    atrium_ml: tuple[float, ...]
    strain_percent: Mapping[str, tuple[float, ...]]
    heart: PhantomHeart
    acquisition: LoopAcquisition

    @property
    def study_uid(self) -> UID:
        """StudyInstanceUID of the phantom as DICOM."""
        return phantom_uid(self.heart, self.acquisition, "study")

    def to_json(self) -> dict[str, Any]:
        """The content of truth.json; ``measurements`` has the names of result.json."""
        return {
            "schema": TRUTH_SCHEMA,
            "study_uid": self.study_uid,
            "frames": {"ed": self.phases.end_diastole, "es": self.phases.end_systole},
            "measurements": {
                **_volumes_json(self.by_discs),
                **_atrium_json(self.atrium_ml, self.phases),
                **_strain_json(self.strain_percent),
            },
            "continuous": _volumes_json(self.continuous),
            "curves": {
                "lv_ml": list(self.curve_ml),
                "la_ml": list(self.atrium_ml),
                **{f"strain_{name}_percent": list(c) for name, c in self.strain_percent.items()},
            },
            "heart": asdict(self.heart),
            "acquisition": asdict(self.acquisition),
        }


@dataclass(frozen=True, slots=True, eq=False)
class EchoPhantom:
    """Loops as a machine would have stored them, and what is true about them.

    Args:
        frames: (t, y, x) grey levels of each view.
        labels: (t, y, x) true values of ECHO_LABELS of each view.
        truth: true volumes.
    """

    frames: dict[EchoView, NDArray[np.uint8]]
    labels: dict[EchoView, NDArray[np.uint8]]
    truth: EchoTruth


def make_echo_phantom(heart: PhantomHeart, acquisition: LoopAcquisition) -> EchoPhantom:
    """Image a heart; the same arguments give the same pixels."""
    times_ms = np.arange(acquisition.n_frames, dtype=np.float64) * acquisition.frame_time_ms
    fraction = times_ms / heart.rr_interval_ms % 1.0
    ventricles = beating_ventricle(heart, ejected_share(fraction, heart.heart_rate_bpm))
    is_filling = fraction > systole_fraction(heart.heart_rate_bpm) + _RELAXATION
    planes = [ApicalPlane(view, Placement.drawn(acquisition.seed, view)) for view in VIEWS]
    depth_mm, right_mm = pixels_mm(acquisition)
    return EchoPhantom(
        frames={plane.view: _frames(plane, ventricles, is_filling, acquisition) for plane in planes},
        labels={p.view: np.stack([p.labels(v, depth_mm, right_mm) for v in ventricles]) for p in planes},
        truth=_truth(heart, acquisition, ventricles),
    )


_RELAXATION = 0.05
"""Share of the heartbeat between end-systole and the opening of the mitral valve, as in cvai.phantom.beat."""


def _frames(
    plane: ApicalPlane,
    ventricles: tuple[EchoVentricle, ...],
    is_filling: NDArray[np.bool_],
    acquisition: LoopAcquisition,
) -> NDArray[np.uint8]:
    """(t, y, x) grey levels of one view."""
    beams, speckle = Beams.of(acquisition), Speckle(acquisition.seed, plane.index)
    frames = [
        beams.laid_out(
            speckle.seen(plane.echo_db(v, bool(opened), beams.depth_mm, beams.right_mm), beams.depth_mm)
        )
        for v, opened in zip(ventricles, is_filling, strict=True)
    ]
    return np.stack(frames)


def _truth(
    heart: PhantomHeart, acquisition: LoopAcquisition, ventricles: tuple[EchoVentricle, ...]
) -> EchoTruth:
    curve_ml = [ventricle.volume_ml for ventricle in ventricles]
    end_diastole, end_systole = int(np.argmax(curve_ml)), int(np.argmin(curve_ml))
    longest_mm = max(ventricle.length_mm for ventricle in ventricles)
    edv_ml, esv_ml = curve_ml[end_diastole], curve_ml[end_systole]
    stretched = longest_mm / ventricles[end_systole].length_mm
    return EchoTruth(
        by_discs=Volumes(edv_ml, esv_ml * stretched),
        continuous=Volumes(edv_ml, esv_ml),
        phases=KeyPhases(end_diastole, end_systole),
        curve_ml=tuple(curve_ml),
        atrium_ml=tuple(EchoAtrium.below(ventricle).volume_ml for ventricle in ventricles),
        strain_percent=_strain_percent(ventricles, end_diastole),
        heart=heart,
        acquisition=acquisition,
    )


def _strain_percent(ventricles: tuple[EchoVentricle, ...], end_diastole: int) -> dict[str, tuple[float, ...]]:
    curves = {}
    for layer, depth in LAYERS.items():
        for plane, view in enumerate(VIEWS):
            lengths_mm = np.array([ventricle.border_mm(plane, depth) for ventricle in ventricles])
            curves[f"{layer}_{view}"] = tuple(strain_percent(lengths_mm, end_diastole).tolist())
    return curves


def _strain_json(strain_percent: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
    """Peaks of every view, and their means."""
    peaks = {f"lv_gls_{name}": min(curve) for name, curve in strain_percent.items()}
    means = {
        f"lv_gls_{layer}": float(np.mean([peaks[f"lv_gls_{layer}_{view}"] for view in VIEWS]))
        for layer in LAYERS
    }
    return means | peaks


def _atrium_json(volumes_ml: tuple[float, ...], phases: KeyPhases) -> dict[str, float]:
    largest_ml, smallest_ml = volumes_ml[phases.end_systole], min(volumes_ml)
    return {
        "la_max": largest_ml,
        "la_min": smallest_ml,
        "la_ef": 100.0 * (largest_ml - smallest_ml) / largest_ml,
    }


def _volumes_json(volumes: Volumes) -> dict[str, float]:
    return {
        "lv_edv": volumes.edv_ml,
        "lv_esv": volumes.esv_ml,
        "lv_sv": volumes.edv_ml - volumes.esv_ml,
        "lv_ef": volumes.ef_percent,
    }
