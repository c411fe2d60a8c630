"""Whether everything of the images that are measured was read."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.uid import UID

from cvai.dicom.read.cine.placement import has_valid_orientation, normal_of
from cvai.dicom.read.header.attributes import uid
from cvai.dicom.read.values import ImagePlane, LostFile, Study
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import say
from cvai.errors import FileRefused, StudyRefused

_PARALLEL_MIN_COSINE = 0.9
"""Slices of one stack are within 25 degrees of each other, however they were planned again."""


def require_readable(study: Study, chosen: Sequence[ImagePlane]) -> None:
    """Refuse a study of which a file was lost that may be of the stack chosen: its volume would be too small.

    Damaged images that have a place in the stack are refused by what reads their pixels.

    Raises:
        StudyRefused: ``files_unreadable``.
    """
    doubtful = [file for file in study.lost if _may_belong(file, study, chosen)]
    if doubtful:
        raise StudyRefused(
            "files_unreadable",
            say(
                "{count} file(s) cannot be read and may be of the images to be measured. {reason}",
                count=len(doubtful),
                reason=doubtful[0].refusal.message,
            ),
            say("Send the whole study again; files that are no images of it may be left out."),
        )


def all_unreadable(study: Study) -> tuple[FileRefused, ...]:
    """Why files of the study, or such as may be, could not be read; each file once."""
    refusals = (*study.unreadable, *(file.refusal for file in study.lost))
    return tuple({id(refusal): refusal for refusal in refusals}.values())


def unreadable_findings(study: Study) -> tuple[Finding, ...]:
    """What a reader should know of files that could not be read; they are not of the images measured."""
    n_files = len(all_unreadable(study))
    if n_files == 0:
        return ()
    message = say(
        "{n_files} file(s) of the study could not be read; they are not of the images measured.",
        n_files=n_files,
    )
    return (Finding("unreadable_files", Severity.WARNING, message),)


def _may_belong(file: LostFile, study: Study, chosen: Sequence[ImagePlane]) -> bool:
    """Whether nothing says that a file is of another kind, or of a series that lies across the stack."""
    if file.header is None:
        return True
    sop_class = UID(uid(file.header, "SOPClassUID"))
    if sop_class.name != sop_class and sop_class not in {plane.sop_class_uid for plane in chosen}:
        return False
    series_uid = uid(file.header, "SeriesInstanceUID")
    beside = [plane for series in study.series if series.series_uid == series_uid for plane in series.planes]
    return not beside or any(_may_be_parallel(plane, chosen[0]) for plane in beside)


def _may_be_parallel(first: ImagePlane, second: ImagePlane) -> bool:
    if not (has_valid_orientation(first) and has_valid_orientation(second)):
        return True
    return abs(float(normal_of(first) @ normal_of(second))) >= _PARALLEL_MIN_COSINE
