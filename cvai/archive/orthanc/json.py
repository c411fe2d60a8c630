"""Models of the responses of Orthanc's REST API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from cvai.archive.foreign_json import Foreign

Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{1,64}$")]
"""Orthanc's identifier of a resource, used in paths: five groups of hexadecimal digits."""

Number = Annotated[int, Field(ge=0)]

STABLE, NEW_STUDY, NEW_INSTANCE = "StableStudy", "NewStudy", "NewInstance"


class Change(Foreign):
    """A change of a resource, of any kind."""

    kind: str = Field(alias="ChangeType")
    identifier: Identifier = Field(alias="ID")


class ChangesPage(Foreign):
    """Changes in the order they happened, the number of the last one, and whether it is the newest."""

    changes: list[object] = Field(alias="Changes")
    last: Number = Field(alias="Last")
    done: bool = Field(alias="Done")


class MainTags(Foreign):
    """Main tags of a study; the UID as in the images, not validated."""

    study_uid: str = Field(default="", alias="StudyInstanceUID")


class OrthancStudy(Foreign):
    """A study, and whether it is stable."""

    is_stable: bool = Field(alias="IsStable")
    tags: MainTags = Field(alias="MainDicomTags")


class StudySeries(Foreign):
    """The series of a study."""

    children: tuple[Identifier, ...] = Field(default=(), alias="Series")


class OrthancSeries(Foreign):
    """A series: its study and its instances."""

    study: Identifier = Field(alias="ParentStudy")
    instances: tuple[Identifier, ...] = Field(alias="Instances")


class SeriesInstances(Foreign):
    """The instances of a series."""

    children: tuple[Identifier, ...] = Field(default=(), alias="Instances")


class OrthancInstance(Foreign):
    """An instance: its series."""

    series: Identifier = Field(alias="ParentSeries")


class InstanceTags(Foreign):
    """Main tags of an instance; the UID as in the image, not validated."""

    sop_instance_uid: str = Field(default="", alias="SOPInstanceUID")


class StoredInstance(Foreign):
    """An instance, and the name of its file, which differs for other content."""

    tags: InstanceTags = Field(alias="MainDicomTags")
    file: str = Field(default="", alias="FileUuid")


class Found(Foreign):
    """A result of ``/tools/lookup``."""

    kind: str = Field(alias="Type")
    identifier: Identifier = Field(alias="ID")


class InstanceMetadata(Foreign):
    """Orthanc's metadata of an instance."""

    sender: str = Field(default="", alias="RemoteAET")


class System(Foreign):
    """Orthanc's system information."""

    version: str = Field(default="?", alias="Version")
