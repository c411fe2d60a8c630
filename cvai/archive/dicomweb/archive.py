"""An archive spoken to over DICOMweb (PS3.18): QIDO-RS to ask, WADO-RS to fetch, STOW-RS to store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import requests

from cvai.archive.content import InstanceReference, StudyContent
from cvai.archive.dicomweb.dicom_json import InstanceRow
from cvai.archive.dicomweb.multipart import AnswerBroken
from cvai.archive.dicomweb.phrasing import Rows
from cvai.archive.dicomweb.qido import StudyPage
from cvai.archive.dicomweb.requests import AnswerLimits, DicomwebRequests
from cvai.archive.dicomweb.stow import COME_BACK_LATER, EXISTS, reasons
from cvai.archive.foreign_json import AnswerTooLarge, AnswerUnreadable
from cvai.archive.http import answered, archive_errors, once_more
from cvai.archive.odd import OddAnswers
from cvai.archive.part10 import FileIdentity, read_identity
from cvai.archive.port import ArchiveProbe, BeforeSending, StoreReport, go_on
from cvai.archive.sameness import is_instance, says_the_same
from cvai.archive.traits import TRAIT_TAGS, StudyTraits
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.files import private_folder, write_whole

STORE_BATCH, STORE_BATCH_BYTES = 50, 64_000_000
"""What a STOW request carries at most, except that one instance always goes. In batches of 50 Orthanc 1.10
takes 200 to 280 images a second; and a request is held in memory, here and in many an archive."""

SHOWN_AFTER_S = 5.0
"""An archive that has stored an object and does not show it yet is left alone for so long."""

Unstored = Mapping[str, int | None]
"""FailureReason by SOP Instance UID of objects not stored; None for those that the answer does not name."""


class DicomwebArchive:
    """An archive behind a DICOMweb root.

    Args:
        url: root of the service, such as ``http://localhost:8042/dicom-web``.
        session: carries the credentials.
        timeout_s: how long to wait for a connection and between two pieces of an answer.
        limits: sizes of answers.
        odd: told of rows that make no sense.
    """

    def __init__(
        self,
        url: str,
        session: requests.Session,
        timeout_s: float,
        limits: AnswerLimits | None = None,
        odd: OddAnswers | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._requests = DicomwebRequests(
            self._url, session, timeout_s, limits or AnswerLimits(), odd or OddAnswers()
        )
        self._latest: tuple[float, StudyContent] | None = None
        self._in_doubt: set[str] = set()
        """Objects that were sent without an answer that they are stored."""

    def content(self, study_uid: str, max_age_s: float = 0.0) -> StudyContent:
        """Ask by QIDO-RS for all instances of a study; see ``Archive.content``.

        Only the latest list is kept: on an idle worker that of the study whose job begins. It is what Orthanc
        is slowest to tell.
        """
        (at_s, listed), self._latest = self._latest or (0.0, None), None
        if listed is not None and listed.study_uid == study_uid and time.monotonic() - at_s <= max_age_s:
            return listed
        content = StudyContent(study_uid, self._instances(study_uid))
        self._latest = (time.monotonic(), content)
        return content

    @once_more
    def _instances(self, study_uid: str) -> tuple[InstanceReference, ...]:
        """Instances of a study; from their headers where the list does not tell what they are.

        Raises:
            ArchiveRejected: neither tells, or the archive rejects the question.
            TemporarilyUnavailable: see ``Archive``.
        """
        with archive_errors(f"list study {study_uid}"):
            listed = self._requests.instances(study_uid, {})
            if not listed.complete:
                listed = self._from_headers(study_uid) or listed
        if not listed.complete:
            raise ArchiveRejected(
                "archive_answer_invalid",
                f"the archive's list of study {study_uid} does not name each instance, its series and class.",
                "It has to answer QIDO-RS as PS3.18 table 10.6.3-5 says; its own log may say more.",
            )
        return tuple(map(_reference, listed.rows))

    def _from_headers(self, study_uid: str) -> Rows[InstanceRow] | None:
        """None where the archive does not tell."""
        with suppress(requests.HTTPError, AnswerUnreadable, AnswerTooLarge):
            return self._requests.metadata(study_uid)
        return None

    @once_more
    def traits(self, study_uid: str) -> StudyTraits:
        """Ask by QIDO-RS for all series with what they say of themselves; see ``Archive.traits``."""
        with archive_errors(f"describe study {study_uid}"):
            found = self._requests.series(study_uid).rows
        return StudyTraits.of(
            (keyword, series.texts.get(tag, "")) for series in found for tag, keyword in TRAIT_TAGS.items()
        )

    @once_more
    def search(self, filters: Mapping[str, str], limit: int, offset: int) -> StudyPage:
        """Ask by QIDO-RS for studies and how many instances each has; see ``cvai.archive.dicomweb.qido``."""
        with archive_errors("list studies"):
            page = self._requests.studies(filters, limit, offset)
        return StudyPage({row.study_uid: row.n_instances for row in page.rows}, page.n_received)

    @once_more
    def count(self, study_uid: str) -> int:
        """How many instances a study has, of an archive that does not tell it with the study."""
        with archive_errors(f"count study {study_uid}"):
            return self._requests.instances(study_uid, {}).n_received

    @once_more
    def fetch(self, study_uid: str, folder: Path) -> int:
        """Retrieve by WADO-RS to disk, one instance at a time in memory; see ``Archive.fetch``."""
        private_folder(folder)
        count = 0
        with archive_errors(f"send study {study_uid}"):
            for count, data in enumerate(self._requests.study_parts(study_uid), start=1):
                write_whole(folder / f"{count:06d}.dcm", data)
        return count

    def store(
        self, study_uid: str, paths: Sequence[Path], before_sending: BeforeSending = go_on
    ) -> StoreReport:
        """Store by STOW-RS what QIDO-RS does not find; see ``Archive.store``."""
        sent: set[str] = set()
        identities = {path: _identity(path) for path in paths}
        for batch in batches(paths):
            self._store_missing(study_uid, {path: identities[path] for path in batch}, before_sending, sent)
        uids = [identity.sop_instance_uid for identity in identities.values()]
        self._in_doubt.difference_update(uids)
        return StoreReport(
            tuple(uid for uid in uids if uid in sent), tuple(uid for uid in uids if uid not in sent)
        )

    def probe(self) -> ArchiveProbe:
        """Ask for one study; see ``Archive.probe``."""
        with archive_errors("list one study"):
            clock = self._requests.server_time()
        return ArchiveProbe(detail=f"DICOMweb at {self._url}", clock=clock)

    @once_more
    def _store_missing(
        self,
        study_uid: str,
        identities: Mapping[Path, FileIdentity],
        before_sending: BeforeSending,
        sent: set[str],
    ) -> None:
        """Store what is missing of a batch; ``sent`` gets what is sent now, or was before without an answer.

        Asked anew each time: a worker that froze while it sent wakes to a dead line, and others have stored
        the batch meanwhile.
        """
        standing = self._standing(study_uid, identities)
        sent |= standing & self._in_doubt
        missing = {path: i for path, i in identities.items() if i.sop_instance_uid not in standing}
        if missing:
            before_sending()
            uids = {i.sop_instance_uid for i in missing.values()}
            sent |= uids
            self._in_doubt |= uids
            self._store_batch(study_uid, missing)

    def _standing(self, study_uid: str, identities: Mapping[Path, FileIdentity]) -> set[str]:
        """Those of the objects that the archive shows; each is ours.

        It is asked about their series alone: the images beside them may be thousands.

        Raises:
            ArchiveRejected: another object stands under one of their UIDs.
        """
        series_uids = sorted({identity.series_uid for identity in identities.values()})
        shown: set[str] = set()
        with archive_errors(f"list results in study {study_uid}"):
            for series_uid in series_uids:
                rows = self._requests.instances(study_uid, {"SeriesInstanceUID": series_uid}).rows
                shown |= {row.sop_instance_uid for row in rows}
        standing = {path: i for path, i in identities.items() if i.sop_instance_uid in shown}
        for path, identity in standing.items():
            self._require_ours(path, identity)
        return {identity.sop_instance_uid for identity in standing.values()}

    def _require_ours(self, path: Path, identity: FileIdentity) -> None:
        """Compare what stands with what would be stored, where the archive hands it out."""
        with archive_errors(f"send instance {identity.sop_instance_uid}"):
            kept = self._kept(identity)
        if kept is not None and not says_the_same(kept, path):
            raise ArchiveRejected(
                "object_differs",
                f"another object stands under {identity.sop_instance_uid} in the archive.",
                "Compare both; where the new one is right, remove the other there and retry the job.",
            )

    def _kept(self, identity: FileIdentity) -> bytearray | None:
        """An instance as the archive keeps it, None where it does not hand it out."""
        uid = identity.sop_instance_uid
        parts = self._requests.instance_parts(identity.study_uid, identity.series_uid, uid)
        try:
            with closing(parts):
                return next((part for part in parts if is_instance(part, uid)), None)
        except requests.HTTPError as error:
            if error.response is not None and answered(error.response, "").retry:
                raise
        except (AnswerBroken, AnswerTooLarge):
            pass
        return None

    def _store_batch(self, study_uid: str, objects: Mapping[Path, FileIdentity]) -> None:
        """Store objects; one that the archive does not say it stored has to be shown by it."""
        with archive_errors(f"store {len(objects)} objects into study {study_uid}"):
            answer = self._requests.store(study_uid, [path.read_bytes() for path in objects])
        left = {path: i for path, i in objects.items() if i.sop_instance_uid not in answer.stored}
        standing = self._standing(study_uid, left)
        uids = (i.sop_instance_uid for i in left.values())
        if unstored := {uid: answer.failed.get(uid) for uid in uids if uid not in standing}:
            raise _not_stored(unstored, len(objects))


def _not_stored(unstored: Unstored, n_sent: int) -> CvaiError:
    """What it means that the archive neither says that it stored some objects nor shows them."""
    later = {uid for uid, reason in unstored.items() if reason in COME_BACK_LATER}
    unseen = {uid for uid, reason in unstored.items() if reason is None or reason in EXISTS}
    told = f"{len(unstored)} of {n_sent} objects: {reasons(unstored)}."
    if unstored.keys() - later - unseen:
        return ArchiveRejected(
            "object_rejected",
            f"the archive did not take {told}",
            "In brackets is the FailureReason of PS3.18 I.2.2; the archive's own log says more.",
        )
    if later:
        return TemporarilyUnavailable(
            "archive_busy", f"the archive did not take {told}", "It is asked again."
        )
    return TemporarilyUnavailable(
        "object_not_shown",
        f"the archive does not show yet, and does not say that it stored, {told}",
        "It is asked again; they count as stored once it shows them.",
        SHOWN_AFTER_S,
    )


def batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The files in order, in as few bounded requests as that allows."""
    batch: list[Path] = []
    batch_bytes = 0
    for path in paths:
        size_bytes = path.stat().st_size
        if batch and (len(batch) == STORE_BATCH or batch_bytes + size_bytes > STORE_BATCH_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(path)
        batch_bytes += size_bytes
    if batch:
        yield batch


def _reference(row: InstanceRow) -> InstanceReference:
    return InstanceReference(row.sop_class_uid or "", row.sop_instance_uid, row.series_uid or "")


def _identity(path: Path) -> FileIdentity:
    identity = read_identity(path)
    if identity is None:
        raise ArchiveRejected(
            "object_not_storable",
            f"{path.name} is not a DICOM object.",
            "This is a defect of the program that wrote it; please report it.",
        )
    return identity
