"""Answers of Orthanc's own REST API as checked values; they are read nowhere else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from cvai.archive.foreign_json import Foreign

Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{1,64}$")]
"""Orthanc's name of a resource, which goes into paths: five groups of hexadecimal digits."""

Number = Annotated[int, Field(ge=0)]

STABLE, NEW_STUDY, NEW_INSTANCE = "StableStudy", "NewStudy", "NewInstance"


class Change(Foreign):
    """What happened to something that Orthanc keeps; of kinds that are not known here the name is kept."""

    kind: str = Field(alias="ChangeType")
    identifier: Identifier = Field(alias="ID")


class ChangesPage(Foreign):
    """Changes in the order they happened, the number of the last one, and whether it is the newest."""

    changes: list[object] = Field(alias="Changes")
    last: Number = Field(alias="Last")
    done: bool = Field(alias="Done")


class MainTags(Foreign):
    """Of a study; its UID is whatever the images state, which need not be one."""

    study_uid: str = Field(default="", alias="StudyInstanceUID")


class OrthancStudy(Foreign):
    """A study, whether anything has come for it lately, and its series."""

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
    """Of an instance; its UID is whatever the image states."""

    sop_instance_uid: str = Field(default="", alias="SOPInstanceUID")


class StoredInstance(Foreign):
    """An instance, and the name of the file that Orthanc keeps it in: another one for other content."""

    tags: InstanceTags = Field(alias="MainDicomTags")
    file: str = Field(default="", alias="FileUuid")


class Found(Foreign):
    """What ``/tools/lookup`` finds."""

    kind: str = Field(alias="Type")
    identifier: Identifier = Field(alias="ID")


class InstanceMetadata(Foreign):
    """What Orthanc noted as an instance came."""

    sender: str = Field(default="", alias="RemoteAET")


class System(Foreign):
    """What Orthanc says of itself."""

    version: str = Field(default="?", alias="Version")
