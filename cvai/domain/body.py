"""Body surface area, and measurements per square metre of it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from cvai.domain.measurement import Measurement
from cvai.domain.subject import Subject

INDEXED_BY_BODY_SURFACE = frozenset(
    {"lv_edv", "lv_esv", "lv_sv", "lv_co", "lv_mass", "rv_edv", "rv_esv", "rv_sv", "rv_co"}
    | {"la_max", "la_max_area_length", "la_min"}
)
"""What grows with the body; an ejection fraction and a heart rate do not."""


def body_surface_area_m2(height_m: float, weight_kg: float) -> float:
    """Surface of the body after Mosteller, N Engl J Med 1987;317:1098 (doi:10.1056/NEJM198710223171717).

    The root of height in cm times weight in kg over 3600; with the height in metres, DICOM's
    ``BSA = (HT*WT/36)^0.5`` (PS3.16 CID 3663, DCM 122244).

    >>> body_surface_area_m2(height_m=1.8, weight_kg=80.0)
    2.0
    """
    return math.sqrt(height_m * weight_kg / 36.0)


def indexed(measurement: Measurement, surface_m2: float) -> Measurement:
    """The measurement per square metre of body surface, interval included.

    >>> index = indexed(Measurement("lv_edv", 150.0, "mL", interval=(140.0, 160.0)), surface_m2=2.0)
    >>> index.name, index.value, index.unit, index.interval
    ('lv_edv_index', 75.0, 'mL/m2', (70.0, 80.0))
    """
    interval = measurement.interval
    return Measurement(
        f"{measurement.name}_index",
        measurement.value / surface_m2,
        f"{measurement.unit}/m2",
        None if interval is None else (interval[0] / surface_m2, interval[1] / surface_m2),
        interval_from=measurement.interval_from,
    )


def with_body_size(measurements: Iterable[Measurement], subject: Subject) -> tuple[Measurement, ...]:
    """The measurements, each indexed one after its own, and last the body surface area ``bsa``.

    Nothing is added where height or weight is not known.
    """
    if subject.height_m is None or subject.weight_kg is None:
        return tuple(measurements)
    surface_m2 = body_surface_area_m2(subject.height_m, subject.weight_kg)
    extended = []
    for measurement in measurements:
        extended.append(measurement)
        if measurement.name in INDEXED_BY_BODY_SURFACE:
            extended.append(indexed(measurement, surface_m2))
    return (*extended, Measurement("bsa", surface_m2, "m2"))
