"""The embedded archive: one folder per study, one file per instance."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cvai.archive.content import UNREADABLE, InstanceReference, StudyContent, is_valid_study_uid
from cvai.archive.folder.fingerprints import Fingerprints
from cvai.archive.folder.identities import Identities, SeenFile, look
from cvai.archive.part10 import FileIdentity, copy_whole, read_identity, read_traits
from cvai.archive.port import ArchiveProbe, BeforeSending, StoreReport, noop
from cvai.archive.sameness import has_same_content
from cvai.archive.traits import StudyTraits
from cvai.dicom.read.files.neighbours import Neighbours
from cvai.dicom.read.kinds import may_be_an_image
from cvai.errors import ArchiveRejected, TemporarilyUnavailable
from cvai.files import private_file, private_folder


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn errors of the disk into TemporarilyUnavailable."""
    try:
        yield
    except OSError as error:
        raise TemporarilyUnavailable(
            "archive_disk",
            f"the archive's disk failed: {error.strerror}.",
            "Check that it is mounted, not full, and that the service may write there.",
        ) from error


class FolderArchive:
    """Keeps studies as ``root/<StudyInstanceUID>/<SOPInstanceUID>.dcm``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._identities = Identities()
        self._fingerprints = Fingerprints()

    @disk_errors()
    def content(self, study_uid: str, max_age_s: float = 0.0) -> StudyContent:  # noqa: ARG002 - disks are fast
        """List the files of a study; see ``Archive.content``."""
        paths = sorted(self._study_folder(study_uid).glob("*.dcm"))
        references = list(map(_reference, paths, self._identities.of(study_uid, paths)))
        sources = [path for path, reference in zip(paths, references, strict=True) if reference.is_source]
        prints = dict(zip(sources, self._fingerprints.of(study_uid, sources), strict=True))
        listed = (replace(r, fingerprint=prints.get(p, "")) for p, r in zip(paths, references, strict=True))
        return StudyContent(study_uid, tuple(listed))

    @disk_errors()
    def traits(self, study_uid: str) -> StudyTraits:
        """Read one header of each series; see ``Archive.traits``."""
        first = {i.series_uid: i for i in self.content(study_uid).instances if i.series_uid}
        folder = self._study_folder(study_uid)
        return StudyTraits.of(
            trait for i in first.values() for trait in read_traits(folder / f"{i.sop_instance_uid}.dcm")
        )

    @disk_errors()
    def fetch(self, study_uid: str, folder: Path) -> int:
        """Copy a study's files; see ``Archive.fetch``."""
        private_folder(folder)
        paths = sorted(self._study_folder(study_uid).glob("*.dcm"))
        for path in paths:
            copy_whole(path, folder / path.name)
        return len(paths)

    @disk_errors()
    def store(
        self, study_uid: str, paths: Sequence[Path], before_sending: BeforeSending = noop
    ) -> StoreReport:
        """Copy objects in; see ``Archive.store``."""
        folder = self._study_folder(study_uid)
        private_folder(folder)
        stored, skipped = [], []
        for path in paths:
            target = folder / f"{_storable_uid(path, study_uid)}.dcm"
            if target.exists():
                _require_same(target, path)
                skipped.append(target.stem)
            else:
                before_sending()
                copy_whole(path, target)
                stored.append(target.stem)
        return StoreReport(tuple(stored), tuple(skipped))

    @disk_errors()
    def probe(self) -> ArchiveProbe:
        """Check that the folder can be written or created; see ``Archive.probe``."""
        root = self._root.absolute()
        existing = next(folder for folder in (root, *root.parents) if folder.exists())
        if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return ArchiveProbe(detail=f"folder {self._root}", clock=datetime.now(UTC))

    def changes(self) -> Iterator[tuple[str, int]]:
        """Every study in no order, and when its folder last changed, in nanoseconds."""
        if not self._root.exists():
            return
        with os.scandir(self._root) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # gone since it was listed
                    if is_valid_study_uid(entry.name) and entry.is_dir():
                        yield entry.name, entry.stat().st_mtime_ns

    def changed_ns(self, study_uid: str) -> int | None:
        """When a study's folder last changed; None where there is none."""
        try:
            return self._study_folder(study_uid).stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def take_in(self, paths: Sequence[Path], copied: Collection[Path] = ()) -> list[str]:
        """Move delivered files to their studies.

        A file replaces an existing one of the same SOP Instance UID.

        An unreadable file that may be a damaged image is stored with the studies of the files around it,
        which are then refused instead of measured without it, until they are delivered again completely.
        Other files that are not DICOM form a study of their own.

        Args:
            paths: delivered files.
            copied: those of ``paths`` to copy instead of move.

        Returns:
            UIDs of the studies that received files.
        """
        delivered = {path: look(path) for path in paths}
        studies = _assigned(delivered)
        last_place = {path: study_uid for study_uid, names in studies.items() for path in names}
        superseded: list[Path] = []
        for study_uid, names in studies.items():
            if all(delivered[path].identity is not None for path in names):
                superseded += self._superseded(study_uid, set(names.values()))
            folder = self._study_folder(study_uid)
            targets = {path: folder / f"{name}.dcm" for path, name in names.items()}
            for path, target in targets.items():
                is_kept = path in copied or last_place[path] != study_uid
                (_copy if is_kept else _move)(path, target)
            self._identities.moved_in(study_uid, {delivered[p]: target for p, target in targets.items()})
        return [*studies, *(self.take_in(superseded) if superseded else ())]

    def _superseded(self, study_uid: str, delivered: Collection[str]) -> list[Path]:
        """Unreadable files of a study, once all its readable images have been delivered again."""
        paths = sorted(self._study_folder(study_uid).glob("*.dcm"))
        references = list(map(_reference, paths, self._identities.of(study_uid, paths)))
        sources = {r.sop_instance_uid for r in references if r.is_source and r.sop_class_uid}
        if not sources <= set(delivered):
            return []
        return [path for path, r in zip(paths, references, strict=True) if not r.sop_class_uid]

    def _study_folder(self, study_uid: str) -> Path:
        if not is_valid_study_uid(study_uid):
            raise ArchiveRejected("study_uid_invalid", "the requested study has no valid UID.")
        return self._root / study_uid


def _reference(path: Path, identity: FileIdentity | None) -> InstanceReference:
    if identity is None:
        return InstanceReference("", path.stem, "")
    return InstanceReference(identity.sop_class_uid, identity.sop_instance_uid, identity.series_uid)


def _assigned(delivered: Mapping[Path, SeenFile]) -> dict[str, dict[Path, str]]:
    """Target name of each file, by StudyInstanceUID."""
    known = {path: seen.identity for path, seen in delivered.items() if seen.identity is not None}
    studies: dict[str, dict[Path, str]] = defaultdict(dict)
    for path, identity in known.items():
        studies[identity.study_uid][path] = identity.sop_instance_uid
    neighbours = Neighbours((path, identity.study_uid) for path, identity in known.items())
    suffixes = {path.suffix.lower() for path in known}
    strangers = {path: _file_digest(path) for path in delivered if path not in known}
    alone = dict[Path, str]()
    for path, digest in strangers.items():
        around = neighbours.of(path) if may_be_an_image(path, suffixes) else ()
        for study_uid in around:
            studies[study_uid][path] = digest[:32]
        if not around:
            alone[path] = digest
    if alone:
        studies[_named_by(alone.values())] = {path: digest[:32] for path, digest in alone.items()}
    return studies


def _named_by(digests: Iterable[str]) -> str:
    """Name of the study of non-DICOM files, from their contents: file names may contain patient names."""
    together = hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()
    return f"{UNREADABLE}{together[:16]}"


def _storable_uid(path: Path, study_uid: str) -> str:
    identity = read_identity(path)
    if identity is None or identity.study_uid != study_uid:
        raise ArchiveRejected(
            "object_not_storable",
            f"{path.name} is not a DICOM object of study {study_uid}.",
            "This is a defect of the program that wrote it; please report it.",
        )
    return identity.sop_instance_uid


def _require_same(existing: Path, path: Path) -> None:
    if not has_same_content(existing.read_bytes(), path):
        raise ArchiveRejected(
            "object_differs",
            f"the archive has another object under {existing.stem}.",
            "Compare both; if the new one is right, remove the other from the archive and retry the job.",
        )


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(source: Path, target: Path) -> None:
    """Copy a file; its folder is created when missing."""
    private_folder(target.parent)
    copy_whole(source, target)


def _move(source: Path, target: Path) -> None:
    """Move a file and make it private; copies it across file systems or from another owner."""
    private_folder(target.parent)
    try:
        private_file(source).replace(target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM):
            raise
        copy_whole(source, target)
        source.unlink()
