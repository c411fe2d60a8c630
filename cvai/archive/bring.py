"""Fetches studies from the archive and verifies that they are complete and of one study."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from cvai.archive.content import StudyContent
from cvai.archive.folder.fingerprints import read_fingerprint
from cvai.archive.part10 import FileIdentity, read_identity
from cvai.archive.port import Archive
from cvai.dicom.read.patient import one_patient
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import ImagePlane
from cvai.domain.message import say
from cvai.errors import StudyRefused, TemporarilyUnavailable


def bring(archive: Archive, content: StudyContent, folder: Path) -> None:
    """Fetch a study into a folder, replacing its contents.

    Args:
        archive: to fetch from.
        content: the archive's listing of the study.
        folder: receives the files.

    Raises:
        StudyRefused: ``patients_differ`` or ``study_differs``: a file is of another study than requested.
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
            say(
                "the archive lists {n_listed} instances and sent {n_files}; {missing} of those listed are "
                "not among them.",
                n_listed=len(content.instances),
                n_files=n_files,
                missing=missing,
            ),
            say("The request is repeated."),
        )


def is_whole(content: StudyContent, folder: Path) -> bool:
    """Whether a folder that ``bring`` has filled holds what the archive lists now, no less and no more."""
    paths = sorted(folder.glob("*.dcm"))
    identities = [identity for path in paths if (identity := read_identity(path)) is not None]
    return len(paths) == len(content.instances) and not _missing(content, identities)


def _require_one_study(content: StudyContent, identities: list[FileIdentity], folder: Path) -> None:
    foreign = [i for i in identities if i.study_uid != content.study_uid]
    if not foreign:
        return
    one_patient([stated for study in read_studies(folder).studies for stated in study.stated_patients])
    raise study_differs(f"{len(foreign)} of {len(identities)}")


def study_differs(files: str) -> StudyRefused:
    """The refusal of files that the archive lists under another StudyInstanceUID than they state."""
    return StudyRefused(
        "study_differs",
        say(
            "{files} files state another StudyInstanceUID than the one the archive keeps them under.",
            files=files,
        ),
        say("Correct the study in the archive, or send it again from the scanner."),
    )


def _missing(content: StudyContent, identities: list[FileIdentity]) -> int:
    """Number of listed instances that were not sent; a non-DICOM file may be any of them."""
    unnamed = len(content.instances) - len(identities)
    return max(0, len(content.sop_instance_uids - {i.sop_instance_uid for i in identities}) - max(0, unnamed))


def images_digest(planes: Iterable[ImagePlane]) -> str:
    """Hex SHA-256 over UIDs and file contents of images, independent of their order."""
    paths = {plane.sop_instance_uid: plane.path for plane in planes}
    lines = (f"{uid} {read_fingerprint(path):016x}" for uid, path in sorted(paths.items()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def require_images(planes: Iterable[ImagePlane], digest: str) -> None:
    """Check that images are those that were analysed.

    Args:
        planes: of the fetched images.
        digest: of the analysed images; empty in jobs of older versions, then nothing is checked.

    Raises:
        StudyRefused: ``images_changed``.
    """
    if digest and images_digest(planes) != digest:
        raise StudyRefused(
            "images_changed",
            say("The images are not those that were analysed: the archive has others under their UIDs."),
            say(
                "The study is analysed again once the archive announces it; cvai jobs retry does so at once."
            ),
        )
