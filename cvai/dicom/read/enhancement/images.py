"""Which MR images may show late enhancement, and what kind of image they are."""

from __future__ import annotations

import re
from enum import IntEnum

from pydicom import Dataset

from cvai.dicom.read.cine.images import echo_time_ms, is_localizer
from cvai.dicom.read.cine.placement import is_placed
from cvai.dicom.read.header.attributes import number, numbers, texts, whole_number
from cvai.dicom.read.pixels.frames import frame_attributes
from cvai.dicom.read.values import Component, ImagePlane
from cvai.domain.message import say

_NAMES = ("SequenceName", "PulseSequenceName", "ProtocolName", "SeriesDescription")
_PHASE_SENSITIVE = re.compile(r"(?<![A-Z])PSIR(?![A-Z])")
_MAGNITUDE = re.compile(r"(?<![A-Z])MAG(NITUDE)?(?![A-Z])")
_OWN_NAMES = ("SequenceName", "PulseSequenceName", "SeriesDescription")
"""ProtocolName is that of a whole examination on some scanners, which names everything that it holds."""

_OTHER_KINDS = re.compile(
    r"(?<![A-Z])(T[12][ _*-]*MAP[A-Z]*|ECV|(SH)?MOLLI|SASHA|LOOK[ _-]*LOCKER|T[I1][ _-]*SCOUT|STIR)(?![A-Z])"
)
_LONGEST_GRADIENT_ECHO_MS = 15.0
"""Late enhancement is read within a few milliseconds of its pulses; spin echoes that show oedema after 40 and
more."""

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
        return say("a map of relaxation times, or an image that is called one, a scout, or STIR")
    if (whole_number(plane.header, "SamplesPerPixel") or 1) != 1 or plane.component is Component.IMAGINARY:
        return say("colour or imaginary images")
    return None


def is_inversion_prepared(plane: ImagePlane) -> bool:
    """Whether an inversion precedes the image: ScanningSequence, InversionTime, MR Modifier (PS3.3
    C.8.13.5.7), or the name of a phase-sensitive sequence."""
    modifier = _modifier(plane)
    return (
        "IR" in (*texts(plane.header, "ScanningSequence"), *texts(modifier, "ScanningSequence"))
        or inversion_time_ms(plane) is not None
        or texts(modifier, "InversionRecovery") == ("YES",)
        or is_called_phase_sensitive(plane)
    )


def inversion_time_ms(plane: ImagePlane) -> float | None:
    """InversionTime, or the first of InversionTimes of a frame; None where none is stated."""
    modifier = _modifier(plane)
    stated = (number(plane.header, "InversionTime"), number(modifier, "InversionTime"))
    known = (*stated, *(numbers(modifier, "InversionTimes") or ()))
    return next((ms for ms in known if ms is not None and ms > 0), None)


def _modifier(plane: ImagePlane) -> Dataset:
    """Where preparations of the magnetisation stand; the header of a single-frame instance."""
    return frame_attributes(plane.header, plane.frame_number, "MRModifierSequence")


def is_spin_echo(plane: ImagePlane) -> bool:
    """Whether echoes are refocused by pulses, by ScanningSequence, EchoPulseSequence, or since they come too
    late for gradient echoes, by which late enhancement is read."""
    sequence = (*texts(plane.header, "ScanningSequence"), *texts(_modifier(plane), "ScanningSequence"))
    is_called_so = "SE" in sequence and "GR" not in sequence
    is_late = (echo_time_ms(plane) or 0.0) > _LONGEST_GRADIENT_ECHO_MS
    return is_called_so or is_late or texts(plane.header, "EchoPulseSequence") == ("SPIN",)


def is_map(plane: ImagePlane) -> bool:
    """Whether pixels are relaxation times, by ImageType, or by what the image is called."""
    frame = frame_attributes(plane.header, plane.frame_number, "MRImageFrameTypeSequence")
    types = (texts(plane.header, "ImageType"), texts(frame, "FrameType"))
    is_of_type = any(t[:1] == ("DERIVED",) and bool(_MAPS.intersection(t)) for t in types)
    return is_of_type or is_called_another_kind(plane)


def is_called_another_kind(plane: ImagePlane) -> bool:
    """Whether its name says that it is a map, one of the images it is made from, a scout, or STIR."""
    names = (text for name in _OWN_NAMES for text in texts(plane.header, name))
    return any(map(_OTHER_KINDS.search, names)) and not is_called_phase_sensitive(plane)


class Reconstruction(IntEnum):
    """What was made of the signal, the best to measure last: a phase alone is the sign on some scanners, and
    an angle that shows no tissue on others."""

    PHASE = 0
    MAGNITUDE = 1
    CALLED_PHASE_SENSITIVE = 2
    PHASE_SENSITIVE = 3


def reconstruction_of(plane: ImagePlane) -> Reconstruction:
    """By the component of the signal, or by what the image is called.

    What is stated to be magnitude is that, whatever the series is called: scanners store both under one name.
    """
    called_in_type = any(_PHASE_SENSITIVE.search(word) for word in texts(plane.header, "ImageType"))
    if plane.component is Component.REAL or called_in_type:
        return Reconstruction.PHASE_SENSITIVE
    if plane.component is Component.MAGNITUDE or _is_called_magnitude(plane):
        return Reconstruction.MAGNITUDE
    if is_called_phase_sensitive(plane):
        return Reconstruction.CALLED_PHASE_SENSITIVE
    return Reconstruction.PHASE if plane.component is Component.PHASE else Reconstruction.MAGNITUDE


def is_phase_sensitive(plane: ImagePlane) -> bool:
    """Whether the image keeps the sign of the magnetisation."""
    return reconstruction_of(plane) is not Reconstruction.MAGNITUDE


def _is_called_magnitude(plane: ImagePlane) -> bool:
    """Whether the series is called so, where its component is not stated."""
    names = texts(plane.header, "SeriesDescription") if plane.component is None else ()
    return any(map(_MAGNITUDE.search, names))


def is_called_phase_sensitive(plane: ImagePlane) -> bool:
    """Whether a name of the sequence or of the series says PSIR."""
    return any(_PHASE_SENSITIVE.search(text) for name in _NAMES for text in texts(plane.header, name))
