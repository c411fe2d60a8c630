"""Studies brought here from the archive: all that it lists of a study, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

from cvai.archive.content import StudyContent
from cvai.archive.part10 import FileIdentity, read_identity
from cvai.archive.port import Archive
from cvai.errors import StudyRefused, TemporarilyUnavailable
from cvai.study.patient import one_patient
from cvai.study.read import read_studies


def bring(archive: Archive, content: StudyContent, folder: Path) -> None:
    """Fetch a study into a folder, in the place of what lies there.

    Args:
        archive: where it is kept.
        content: what the archive lists of it.
        folder: where the files go.

    Raises:
        StudyRefused: ``patients_differ`` or ``study_differs``: a file is of another study than was asked for.
        TemporarilyUnavailable: ``fetch_incomplete``, or see ``Archive``.
        ArchiveRejected: see ``Archive``.
    """
    shutil.rmtree(folder, ignore_errors=True)
    n_files = archive.fetch(content.study_uid, folder)
    identities = [i for path in sorted(folder.glob("*.dcm")) if (i := read_identity(path)) is not None]
    _require_one_study(content, identities, folder)
    missing = _missing(content, identities)
    if n_files != len(content.instances) or missing:
        raise TemporarilyUnavailable(
            "fetch_incomplete",
            f"the archive lists {len(content.instances)} instances and sent {n_files}; {missing} of those "
            "listed are not among them.",
            "It is asked again.",
        )


def _require_one_study(content: StudyContent, identities: list[FileIdentity], folder: Path) -> None:
    foreign = [i for i in identities if i.study_uid != content.study_uid]
    if not foreign:
        return
    one_patient([stated for study in read_studies(folder).studies for stated in study.stated_patients])
    raise study_differs(f"{len(foreign)} of {len(identities)}")


def study_differs(files: str) -> StudyRefused:
    """The archive keeps files under a StudyInstanceUID that is not theirs."""
    return StudyRefused(
        "study_differs",
        f"{files} files state another StudyInstanceUID than the one the archive keeps them under.",
        "Correct the study in the archive, or send it again from the scanner.",
    )


def _missing(content: StudyContent, identities: list[FileIdentity]) -> int:
    """How many of the listed instances were not sent; a file that is no DICOM may be any of them."""
    unnamed = len(content.instances) - len(identities)
    return max(0, len(content.sop_instance_uids - {i.sop_instance_uid for i in identities}) - max(0, unnamed))
