"""Which MR images may show late enhancement, and what kind of image they are."""

from __future__ import annotations

import re

from cvai.dicom.read.cine.images import is_derived, is_localizer
from cvai.dicom.read.cine.placement import is_placed
from cvai.dicom.read.header.attributes import number, numbers, texts, whole_number
from cvai.dicom.read.pixels.frames import frame_attributes
from cvai.dicom.read.values import Component, ImagePlane
from cvai.domain.message import say

_NAMES = ("SequenceName", "PulseSequenceName", "ProtocolName", "SeriesDescription")
_PHASE_SENSITIVE = re.compile(r"(?<![A-Z])PSIR(?![A-Z])")
_MAPS = frozenset({"MAP", "T1", "T1 MAP", "T1_MAP", "T2", "T2 MAP", "T2_MAP", "ECV"})


def why_not(plane: ImagePlane) -> str | None:
    """Why an image shows no late enhancement that can be measured; None where it may."""
    reason = why_another_kind(plane)
    if reason is not None or is_placed(plane):
        return reason
    return say("position, orientation or pixel spacing missing or invalid")


def why_another_kind(plane: ImagePlane) -> str | None:
    """Why an image was not made as late enhancement is; None where it was, or may have been."""
    if is_localizer(plane):
        return "localizer"
    if not is_inversion_prepared(plane):
        return say("no inversion recovery: no late enhancement")
    if is_spin_echo(plane):
        return say("spin echo with inversion recovery: shows oedema or fat, no late enhancement")
    if is_map(plane):
        return say("a map of relaxation times")
    if (whole_number(plane.header, "SamplesPerPixel") or 1) != 1 or plane.component is Component.IMAGINARY:
        return say("colour or imaginary images")
    return None


def is_inversion_prepared(plane: ImagePlane) -> bool:
    """Whether an inversion precedes the image: ScanningSequence, InversionTime, MR Modifier (PS3.3
    C.8.13.5.7), or the name of a phase-sensitive sequence."""
    modifier = frame_attributes(plane.header, plane.frame_number, "MRModifierSequence")
    return (
        "IR" in texts(plane.header, "ScanningSequence")
        or inversion_time_ms(plane) is not None
        or texts(modifier, "InversionRecovery") == ("YES",)
        or is_called_phase_sensitive(plane)
    )


def inversion_time_ms(plane: ImagePlane) -> float | None:
    """InversionTime, or the first of InversionTimes of a frame; None where none is stated."""
    stated = number(plane.header, "InversionTime")
    if stated is None:
        modifier = frame_attributes(plane.header, plane.frame_number, "MRModifierSequence")
        stated = next(iter(numbers(modifier, "InversionTimes") or ()), None)
    return stated if stated is not None and stated > 0 else None


def is_spin_echo(plane: ImagePlane) -> bool:
    """Whether echoes are refocused by pulses; late enhancement is read by gradient echoes."""
    sequence = texts(plane.header, "ScanningSequence")
    return "SE" in sequence and "GR" not in sequence


def is_map(plane: ImagePlane) -> bool:
    """Whether pixels are relaxation times."""
    return is_derived(plane) and bool(_MAPS.intersection(texts(plane.header, "ImageType")))


def is_phase_sensitive(plane: ImagePlane) -> bool:
    """Whether the image keeps the sign of the magnetisation: by its component, or by what it is called.

    What is stated to be magnitude is that, whatever the series is called: scanners store both under one name.
    """
    if plane.component in (Component.REAL, Component.PHASE):
        return True
    called_in_type = any(_PHASE_SENSITIVE.search(word) for word in texts(plane.header, "ImageType"))
    is_magnitude = plane.component is Component.MAGNITUDE
    return called_in_type or (is_called_phase_sensitive(plane) and not is_magnitude)


def is_called_phase_sensitive(plane: ImagePlane) -> bool:
    """Whether a name of the sequence or of the series says PSIR."""
    return any(_PHASE_SENSITIVE.search(text) for name in _NAMES for text in texts(plane.header, name))
