"""Which part of the complex MR signal an image shows: anatomy is in the magnitude alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydicom import Dataset

from cvai.dicom.read.header.attributes import texts
from cvai.dicom.read.values import Component

_WORDS: Mapping[Component, frozenset[str]] = MappingProxyType(
    {
        Component.PHASE: frozenset(
            {"P", "PHASE", "PHASE MAP", "PHASE_MAP", "VELOCITY", "VELOCITY MAP", "VELOCITY_MAP", "FLOW_MAP"}
            | {"P_FFE", "P_SE", "P_IR"}
        ),
        Component.REAL: frozenset({"R", "R_FFE", "R_SE", "R_IR", "REAL", "CR", "CR_IR"}),
        Component.IMAGINARY: frozenset({"I", "I_FFE", "I_SE", "I_IR", "IMAGINARY"}),
        Component.MAGNITUDE: frozenset({"M", "M_FFE", "M_SE", "M_IR", "MAG", "MAGNITUDE"}),
    }
)
"""Values of ImageType, FrameType and ComplexImageComponent of Siemens, Philips, GE and Canon. An image that
is called by two of them (``PHASE MAP\\\\P``, ``M\\\\VELOCITY``) is what comes first in this list."""

_GE_COMPONENTS = (Component.MAGNITUDE, Component.PHASE, Component.REAL, Component.IMAGINARY)
"""Values 0 to 3 of (0043,xx2F) in the block of GEMS_PARM_01."""

_GE = (0x0043, 0x2F, "GEMS_PARM_01")
_PHILIPS = (0x2005, 0x11, "Philips MR Imaging DD 001")
"""(2005,xx11) holds the letter of the component."""


def component_of(header: Dataset, frame_type: Dataset) -> Component | None:
    """The component that an image states; None where it states none.

    The frame's own statement counts before the instance's, which says MIXED of a mixture, and the standard's
    attributes before private ones.

    Args:
        header: of the instance.
        frame_type: item of MRImageFrameTypeSequence; the header itself for a single-frame instance.
    """
    stated = (*texts(frame_type, "ComplexImageComponent"), *texts(frame_type, "FrameType")[2:])
    whole = (*texts(header, "ComplexImageComponent"), *texts(header, "ImageType")[2:])
    return _named(stated) or _ge_component(header) or _named(whole) or _philips_component(header)


def _named(words: tuple[str, ...]) -> Component | None:
    return next((component for component, names in _WORDS.items() if names.intersection(words)), None)


def _ge_component(header: Dataset) -> Component | None:
    """GE writes ImageType without a component in many releases, and tells it here alone."""
    value = _private(header, *_GE)
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else value
    if isinstance(number, int) and 0 <= number < len(_GE_COMPONENTS):
        return _GE_COMPONENTS[number]
    return None


def _philips_component(header: Dataset) -> Component | None:
    value = _private(header, *_PHILIPS)
    letter = value.decode("ascii", "ignore") if isinstance(value, bytes) else str(value or "")
    return _named((letter.strip().upper(),))


def _private(header: Dataset, group: int, offset: int, creator: str) -> object:
    try:
        return header.private_block(group, creator)[offset].value
    except KeyError:
        return None
