"""Models of DICOM JSON responses (PS3.18 annex F)."""

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
"""Requested tags; the aliases below are literals for the type checker."""

LARGEST_COUNT = 10_000_000
LONGEST_UID = 64
LONGEST_LINE = 64


def values_of(attribute: object) -> list[object]:
    """All values of an attribute; empty where it is invalid or has none (PS3.18 section F.2.2).

    >>> values_of({"vr": "CS", "Value": ["MR"]}), values_of({"vr": "CS"}), values_of(["MR"])
    (['MR'], [], [])
    """
    found = attribute.get("Value") if isinstance(attribute, Mapping) else None
    return list(found) if isinstance(found, list) else []


def first_of(attribute: object) -> object:
    """The first value of an attribute, None where there is none."""
    return next(iter(values_of(attribute)), None)


def uid(attribute: object) -> str:
    """The UID in an attribute, without padding.

    Raises:
        ValueError: there is no valid UID.
    """
    value = first_of(attribute)
    bare = value.strip("\0 ") if isinstance(value, str) else ""
    if len(bare) > LONGEST_UID or not UID_PATTERN.fullmatch(bare):
        raise ValueError("not a UID")
    return bare


def count(attribute: object) -> int:
    """The integer in an attribute; archives send it as a number, as text, or with a decimal point.

    Raises:
        ValueError: there is none.

    >>> [count({"Value": [n]}) for n in (120, "120", 120.0, " 120.0 ")]
    [120, 120, 120, 120]
    """
    value = first_of(attribute)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a number")
    number = float(value)  # raises ValueError for other text
    if not (math.isfinite(number) and number == int(number) and 0 <= number <= LARGEST_COUNT):
        raise ValueError("not a count")
    return int(number)


def text(attribute: object) -> str:
    """The first value as text; empty where there is none, or an object as for person names."""
    value = first_of(attribute)
    string = str(value) if isinstance(value, str | int | float) else ""
    return string.encode("utf-8", "replace").decode("utf-8")


def _else_unknown(value: object, read: ValidatorFunctionWrapHandler) -> Any:
    """None for an invalid value, as for a missing one."""
    try:
        return read(value)
    except ValueError:
        return None


def line(attribute: object) -> str:
    """The first value as one line of at most ``LONGEST_LINE`` characters."""
    return " ".join(text(attribute).split())[:LONGEST_LINE]


Uid: TypeAlias = Annotated[str, BeforeValidator(uid)]
UidOrUnknown: TypeAlias = Annotated[str | None, BeforeValidator(uid), WrapValidator(_else_unknown)]
CountOrUnknown: TypeAlias = Annotated[int | None, BeforeValidator(count), WrapValidator(_else_unknown)]


class StudyRow(Foreign):
    """A study in an answer of QIDO-RS (PS3.18 table 10.6.3-3); ``n_instances`` None where not stated."""

    study_uid: Uid = Field(alias="0020000D")
    n_instances: CountOrUnknown = Field(default=None, alias="00201208")

    @property
    def complete(self) -> bool:
        """Whether the number of instances is stated."""
        return self.n_instances is not None


class InstanceRow(Foreign):
    """An instance in a response of QIDO-RS or of study metadata; None for missing UIDs."""

    sop_instance_uid: Uid = Field(alias="00080018")
    sop_class_uid: UidOrUnknown = Field(default=None, alias="00080016")
    series_uid: UidOrUnknown = Field(default=None, alias="0020000E")

    @property
    def complete(self) -> bool:
        """Whether required attributes are present (PS3.18 table 10.6.3-5)."""
        return self.sop_class_uid is not None and self.series_uid is not None


class SeriesRow(Foreign):
    """A series in a response of QIDO-RS, with all its attributes as text by tag."""

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
        """Whether the required Modality is present (PS3.18 table 10.6.3-4)."""
        return MODALITY in self.texts


class StoredItem(Foreign):
    """An instance that STOW-RS reports as stored."""

    sop_instance_uid: Uid = Field(alias="00081155")


class FailedItem(Foreign):
    """An instance that STOW-RS reports as not stored, with FailureReason (PS3.18 table I.2-2)."""

    sop_instance_uid: Uid = Field(alias="00081155")
    reason: CountOrUnknown = Field(default=None, alias="00081197")


class InputItem(Foreign):
    """The study in an input of a workitem."""

    study_uid: UidOrUnknown = Field(default=None, alias="0020000D")


class WorkitemRow(Foreign):
    """A workitem in a response of UPS-RS; its inputs unvalidated."""

    workitem_uid: Uid = Field(alias="00080018")
    inputs: Annotated[tuple[object, ...], BeforeValidator(values_of)] = Field(default=(), alias="00404021")


class EventRow(Foreign):
    """An event of a workitem (PS3.4 table CC.2.4-1, PS3.7 table 10.3-1)."""

    workitem_uid: Uid = Field(alias="00001000")
    event_type: CountOrUnknown = Field(default=None, alias="00001002")
    reason: Annotated[str, BeforeValidator(line)] = Field(default="", alias="00741238")
