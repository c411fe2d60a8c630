"""Answers in DICOM JSON (PS3.18 annex F) as checked values; attributes are read nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from cvai.archive.foreign_json import Foreign
from cvai.dicom.read.header.attributes import UID_PATTERN

STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = "0020000D", "0020000E"
SOP_CLASS_UID, SOP_INSTANCE_UID = "00080016", "00080018"
MODALITY = "00080060"
STUDY_RELATED_INSTANCES = "00201208"
REFERENCED_SOP_SEQUENCE, FAILED_SOP_SEQUENCE = "00081199", "00081198"
"""Tags of what is asked for; fields below spell them out, as the type checker wants it."""

LARGEST_COUNT = 10_000_000
LONGEST_UID = 64


def values_of(attribute: object) -> list[object]:
    """All values of an attribute; none where there are none or it is no attribute (PS3.18 section F.2.2).

    >>> values_of({"vr": "CS", "Value": ["MR"]}), values_of({"vr": "CS"}), values_of(["MR"])
    (['MR'], [], [])
    """
    found = attribute.get("Value") if isinstance(attribute, Mapping) else None
    return list(found) if isinstance(found, list) else []


def first_of(attribute: object) -> object:
    """The first value of an attribute, None where there is none."""
    return next(iter(values_of(attribute)), None)


def uid(attribute: object) -> str:
    """An attribute that is a UID, without its padding.

    Raises:
        ValueError: it is none.
    """
    value = first_of(attribute)
    bare = value.strip("\0 ") if isinstance(value, str) else ""
    if len(bare) > LONGEST_UID or not UID_PATTERN.fullmatch(bare):
        raise ValueError("not a UID")
    return bare


def count(attribute: object) -> int:
    """An attribute that is a whole number; archives send it as a number, a text, or with a decimal point.

    Raises:
        ValueError: it is none.

    >>> [count({"Value": [told]}) for told in (120, "120", 120.0, " 120.0 ")]
    [120, 120, 120, 120]
    """
    value = first_of(attribute)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a number")
    number = float(value)  # of a text that is none: a ValueError
    if not (math.isfinite(number) and number == int(number) and 0 <= number <= LARGEST_COUNT):
        raise ValueError("not a count")
    return int(number)


def text(attribute: object) -> str:
    """The first value as text; empty where there is none, or where it is an object.

    A name of a person comes as an object; nothing here asks for one.
    """
    value = first_of(attribute)
    told = str(value) if isinstance(value, str | int | float) else ""
    return told.encode("utf-8", "replace").decode("utf-8")


def _else_unknown(value: object, read: ValidatorFunctionWrapHandler) -> Any:
    """What makes no sense is as unknown as what is missing."""
    try:
        return read(value)
    except ValueError:
        return None


Uid: TypeAlias = Annotated[str, BeforeValidator(uid)]
UidOrUnknown: TypeAlias = Annotated[str | None, BeforeValidator(uid), WrapValidator(_else_unknown)]
CountOrUnknown: TypeAlias = Annotated[int | None, BeforeValidator(count), WrapValidator(_else_unknown)]


class StudyRow(Foreign):
    """A study in an answer of QIDO-RS (PS3.18 table 10.6.3-3); ``n_instances`` None where it is not told."""

    study_uid: Uid = Field(alias="0020000D")
    n_instances: CountOrUnknown = Field(default=None, alias="00201208")

    @property
    def complete(self) -> bool:
        """Whether it tells how many instances there are."""
        return self.n_instances is not None


class InstanceRow(Foreign):
    """An instance in an answer of QIDO-RS or of the metadata of a study; None for what is not told."""

    sop_instance_uid: Uid = Field(alias="00080018")
    sop_class_uid: UidOrUnknown = Field(default=None, alias="00080016")
    series_uid: UidOrUnknown = Field(default=None, alias="0020000E")

    @property
    def complete(self) -> bool:
        """Whether it tells what it has to (PS3.18 table 10.6.3-5)."""
        return self.sop_class_uid is not None and self.series_uid is not None


class SeriesRow(Foreign):
    """A series in an answer of QIDO-RS, with all that it tells of itself as text by tag."""

    series_uid: Uid = Field(alias="0020000E")
    texts: dict[str, str]

    @model_validator(mode="before")
    @classmethod
    def _with_texts(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        texts = {str(tag): text(attribute) for tag, attribute in value.items()}
        return {SERIES_INSTANCE_UID: value.get(SERIES_INSTANCE_UID), "texts": texts}

    @property
    def complete(self) -> bool:
        """Whether it tells what every series has to (PS3.18 table 10.6.3-4)."""
        return MODALITY in self.texts


class StoredItem(Foreign):
    """An instance that STOW-RS names as stored."""

    sop_instance_uid: Uid = Field(alias="00081155")


class FailedItem(Foreign):
    """An instance that STOW-RS names as not stored; FailureReason as PS3.18 table I.2-2 has it."""

    sop_instance_uid: Uid = Field(alias="00081155")
    reason: CountOrUnknown = Field(default=None, alias="00081197")


class InputItem(Foreign):
    """A study that a workitem is about."""

    study_uid: UidOrUnknown = Field(default=None, alias="0020000D")


class WorkitemRow(Foreign):
    """A workitem in an answer of UPS-RS; its inputs as they were sent."""

    workitem_uid: Uid = Field(alias="00080018")
    inputs: Annotated[tuple[object, ...], BeforeValidator(values_of)] = Field(default=(), alias="00404021")
