"""Ventricular function: stroke volume, ejection fraction, cardiac output."""

from __future__ import annotations

from cvai.domain.anatomy import Structure
from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases
from cvai.domain.volumes import VolumeCurves, mass_g


def ejection_fraction_percent(edv_ml: float, esv_ml: float) -> float:
    """Share of the end-diastolic volume that is ejected, in percent.

    Raises:
        ValueError: the end-diastolic volume is not positive.

    >>> ejection_fraction_percent(edv_ml=120.0, esv_ml=48.0)
    60.0
    """
    if edv_ml <= 0:
        raise ValueError(f"end-diastolic volume must be positive, got {edv_ml} mL")
    return 100.0 * (edv_ml - esv_ml) / edv_ml


def cardiac_output_l_per_min(stroke_volume_ml: float, heart_rate_bpm: float) -> float:
    """Blood pumped in a minute, in litres.

    >>> cardiac_output_l_per_min(stroke_volume_ml=70.0, heart_rate_bpm=60.0)
    4.2
    """
    return stroke_volume_ml * heart_rate_bpm / 1000.0


def ventricle_measurements(
    prefix: str, edv_ml: float, esv_ml: float, heart_rate_bpm: float | None
) -> tuple[Measurement, ...]:
    """Volumes and function of one ventricle; ``prefix`` is ``lv`` or ``rv``.

    An empty ventricle has no ejection fraction, and one that grows towards end-systole neither that nor a
    stroke volume: a negative one is a failed measurement and no number about a heart.
    """
    stroke_volume_ml = edv_ml - esv_ml
    measurements = [Measurement(f"{prefix}_edv", edv_ml, "mL"), Measurement(f"{prefix}_esv", esv_ml, "mL")]
    if stroke_volume_ml < 0:
        return tuple(measurements)
    measurements.append(Measurement(f"{prefix}_sv", stroke_volume_ml, "mL"))
    if edv_ml > 0:
        measurements.append(Measurement(f"{prefix}_ef", ejection_fraction_percent(edv_ml, esv_ml), "%"))
    if heart_rate_bpm is not None:
        output = cardiac_output_l_per_min(stroke_volume_ml, heart_rate_bpm)
        measurements.append(Measurement(f"{prefix}_co", output, "L/min"))
    return tuple(measurements)


def measure_sax(
    curves_ml: VolumeCurves, phases: KeyPhases, heart_rate_bpm: float | None
) -> tuple[Measurement, ...]:
    """Volumes, function and mass of both ventricles from the volume curves of a short-axis cine.

    Both ventricles are read at the phases of the left one; LV mass is read at end-diastole. What is not drawn
    in a phase has no volume there.
    """
    ed, es = phases.end_diastole, phases.end_systole
    lv, rv = curves_ml[Structure.LV_CAVITY], curves_ml[Structure.RV_CAVITY]
    mass = mass_g(float(curves_ml[Structure.LV_MYOCARDIUM][ed]))
    heart_rate = () if heart_rate_bpm is None else (Measurement("heart_rate", heart_rate_bpm, "/min"),)
    return (
        *_of_drawn("lv", float(lv[ed]), float(lv[es]), heart_rate_bpm),
        *((Measurement("lv_mass", mass, "g"),) if mass > 0 else ()),
        *_of_drawn("rv", float(rv[ed]), float(rv[es]), heart_rate_bpm),
        *heart_rate,
    )


def _of_drawn(
    prefix: str, edv_ml: float, esv_ml: float, heart_rate_bpm: float | None
) -> tuple[Measurement, ...]:
    """``ventricle_measurements``, but for what needs a phase in which the ventricle is not drawn."""
    found = ventricle_measurements(prefix, edv_ml, esv_ml, heart_rate_bpm)
    if edv_ml > 0 and esv_ml > 0:
        return found
    volumes = (f"{prefix}_edv", f"{prefix}_esv")
    return tuple(m for m in found if m.name in volumes and m.value > 0)
