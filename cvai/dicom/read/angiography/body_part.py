"""Which part of the body a run was made of, where its header states it."""

from __future__ import annotations

import re

from pydicom import Dataset

from cvai.dicom.read.angiography.attributes import of_frame
from cvai.dicom.read.header.attributes import items, texts

_CARDIAC = re.compile(r"HEART|CARDI|COR(?:O|ONAR\w*)\b|CHEST|THORA|VENTRIC|MYOCARD")
_ELSEWHERE = re.compile(
    r"\b(?:ABDOM|ANKLE|ARMS?\b|BRAIN|CAROTI|CEREB|CERVIC|C ?SPINE|CELIAC|ELBOW|EXTREM|FEMOR|FOOT|FOREARM|"
    r"HAND\b|HEAD|HEPAT|HIP\b|ILIAC|KIDNEY|KNEE|LEGS?\b|LIVER|LOWER ?LIMB|L ?SPINE|LUMBAR|MESENT|NECK|PELVI|"
    r"POPLIT|PROSTAT|RENAL|SHOULDER|SKULL|SPLEN|THIGH|TIBIA|UPPER ?LIMB|UTER|VERTEB|WRIST)\w*"
)
"""Beginnings of the terms of PS3.16 Annex L, and of names of vessels in anatomic regions."""


def stated_elsewhere(header: Dataset) -> str | None:
    """The word by which BodyPartExamined or an anatomic region is not the heart's; None where none is.

    A region of the chest, or one that names the heart as well, leaves coronary arteries possible.

    >>> leg, both = Dataset(), Dataset()
    >>> leg.BodyPartExamined, both.BodyPartExamined = "LEG", "HEART_ABDOMEN"
    >>> stated_elsewhere(leg), stated_elsewhere(both)
    ('LEG', None)
    """
    anatomy = of_frame(header, "FrameAnatomySequence")
    regions = (*items(anatomy, "AnatomicRegionSequence"), *items(header, "AnatomicRegionSequence"))
    stated = (
        *texts(header, "BodyPartExamined"),
        *(word for region in regions for word in texts(region, "CodeMeaning")),
    )
    text = " ".join(stated).replace("_", " ")
    if _CARDIAC.search(text):
        return None
    found = _ELSEWHERE.search(text)
    return None if found is None else found.group()
