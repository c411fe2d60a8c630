"""From where a run looks at the heart: the angles of the positioner."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydicom import Dataset

from cvai.dicom.read.angiography.attributes import of_frame
from cvai.dicom.read.header.attributes import number, numbers, texts

_GROUP = "PositionerPositionSequence"
_STRAIGHT_DEGREES = 2.5
"""Smaller angles are not named."""
_MIRRORED = 0.5
"""Cosine of stated and expected direction of rows, negative: some systems state L for every view."""
ROTATION_DEGREES = 20.0
"""A positioner that turns further while the run is made gives no single view."""


@dataclass(frozen=True, slots=True)
class AngiographyView:
    """Angles of the detector around the patient (PS3.3 C.8.7.5.1.2).

    Args:
        primary_degrees: to the patient's left (LAO) above 0, to the right (RAO) below.
        secondary_degrees: to the head (CRA) above 0, to the feet (CAU) below.
    """

    primary_degrees: float
    secondary_degrees: float

    @property
    def name(self) -> str:
        """As cardiologists say it.

        >>> AngiographyView(-30.0, -20.0).name, AngiographyView(45.0, 0.0).name
        ('RAO 30 / CAU 20', 'LAO 45')
        """
        parts = []
        for angle, names in (
            (self.primary_degrees, ("LAO", "RAO")),
            (self.secondary_degrees, ("CRA", "CAU")),
        ):
            if abs(angle) >= _STRAIGHT_DEGREES:
                parts.append(f"{names[angle < 0]} {abs(angle):.0f}")
        return " / ".join(parts) or "AP"

    def degrees_from(self, other: AngiographyView) -> float:
        """Angle between the axes of two projections, 0..90: from behind a projection is the same, mirrored.

        >>> round(AngiographyView(-30.0, 0.0).degrees_from(AngiographyView(45.0, 0.0)))
        75
        """
        cosine = sum(a * b for a, b in zip(self._direction, other._direction, strict=True))
        return math.degrees(math.acos(min(1.0, abs(cosine))))

    @property
    def _direction(self) -> tuple[float, float, float]:
        """Unit vector from the heart to the detector: to the left, to the front, to the head."""
        around, up = math.radians(self.primary_degrees), math.radians(self.secondary_degrees)
        return math.cos(up) * math.sin(around), math.cos(up) * math.cos(around), math.sin(up)


def stated_view(header: Dataset) -> AngiographyView | None:
    """View of the first frame; None where an angle is missing or cannot be one."""
    source = of_frame(header, _GROUP)
    primary, secondary = (number(source, f"Positioner{axis}Angle") for axis in ("Primary", "Secondary"))
    if primary is None or secondary is None or abs(primary) > 180 or abs(secondary) > 180:
        return None
    return AngiographyView(primary, secondary)


def rotation_degrees(header: Dataset) -> float:
    """By how much the positioner turns during the run; 0 where nothing is stated."""
    spans = [0.0]
    for axis in ("Primary", "Secondary"):
        increments = numbers(header, f"Positioner{axis}AngleIncrement") or ()
        if "DYNAMIC" in texts(header, "PositionerMotion") and increments:
            spans.append(max(increments) - min(increments))
        last = number(of_frame(header, _GROUP, _n_frames(header)), f"Positioner{axis}Angle")
        first = number(of_frame(header, _GROUP), f"Positioner{axis}Angle")
        if first is not None and last is not None:
            spans.append(abs(last - first))
    return max(spans)


def _n_frames(header: Dataset) -> int:
    return int(number(header, "NumberOfFrames") or 1)


def table_moves(header: Dataset) -> bool:
    """Whether the table is moved while the run is made."""
    increments = [
        value
        for axis in ("Vertical", "Longitudinal", "Lateral")
        for value in numbers(header, f"Table{axis}Increment") or ()
    ]
    return "DYNAMIC" in texts(header, "TableMotion") and (not increments or max(map(abs, increments)) > 0)


def turned_picture(header: Dataset) -> str | None:
    """PatientOrientation where it is not that of a picture seen from the detector, the head above.

    Then rows run to the patient's left, and to the back as the detector turns to the left.

    >>> header = Dataset()
    >>> header.PatientOrientation = ["R", "F"]
    >>> turned_picture(header)
    'R / F'
    """
    stated, view = texts(header, "PatientOrientation"), stated_view(header)
    if len(stated) != 2:
        return None
    along, down = (text[0] for text in stated)
    around = math.radians(view.primary_degrees if view is not None else 0.0)
    to_left = {"L": math.cos(around), "P": math.sin(around)}
    to_right = {"R": to_left["L"], "A": to_left["P"]}
    is_upright = along not in "HF" and down != "H"
    is_mirrored = to_right.get(along, 0.0) - to_left.get(along, 0.0) > _MIRRORED
    return " / ".join(stated) if is_mirrored or not is_upright else None
