"""UIDs of a phantom, derived from its parameters: a rerun repeats them, and the study replaces itself."""

from __future__ import annotations

import uuid

from pydicom.uid import UID

from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cvai.invalid/phantom/1")
"""The number is raised whenever the same parameters would give other pixels."""


def phantom_uid(heart: PhantomHeart, acquisition: PhantomAcquisition | LoopAcquisition, *parts: str) -> UID:
    """UID that depends on the parameters and on ``parts`` alone (PS3.5 B.2).

    >>> heart, acquisition = PhantomHeart(), PhantomAcquisition()
    >>> phantom_uid(heart, acquisition, "study") == phantom_uid(heart, acquisition, "study")
    True
    """
    name = repr((heart, acquisition, parts))
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, name).int}")
