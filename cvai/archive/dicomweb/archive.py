"""An archive over DICOMweb (PS3.18): QIDO-RS to query, WADO-RS to fetch, STOW-RS to store."""

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
from cvai.archive.dicomweb.stow import EXISTS, RETRYABLE, reasons
from cvai.archive.foreign_json import AnswerTooLarge, AnswerUnreadable
from cvai.archive.http import answered, archive_errors, retried_once
from cvai.archive.odd import OddAnswers
from cvai.archive.part10 import FileIdentity, read_identity
from cvai.archive.port import ArchiveProbe, BeforeSending, StoreReport, noop
from cvai.archive.sameness import has_same_content, is_instance
from cvai.archive.traits import TRAIT_TAGS, StudyTraits
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.files import private_folder, write_whole

STORE_BATCH, STORE_BATCH_BYTES = 50, 64_000_000
"""Limits of a STOW request, except that a single instance may be larger: requests are held in memory, here
and in many archives. In batches of 50 Orthanc 1.10 stores 200 to 280 images a second."""

SHOWN_AFTER_S = 5.0
"""Wait before checking again for an object that was stored and is not listed yet."""

Unstored = Mapping[str, int | None]
"""FailureReason by SOP Instance UID of objects not stored; None for those missing in the response."""


class DicomwebArchive:
    """An archive behind a DICOMweb root.

    Args:
        url: root of the service, such as ``http://localhost:8042/dicom-web``.
        session: carries the credentials.
        timeout_s: for connecting and between two pieces of a response.
        limits: of response sizes.
        odd: counts invalid rows.
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
        """Objects that were sent without a confirmation."""

    def content(self, study_uid: str, max_age_s: float = 0.0) -> StudyContent:
        """List all instances by QIDO-RS; see ``Archive.content``.

        Only the latest listing is cached, which helps an idle worker: listing is Orthanc's slowest answer.
        """
        (at_s, listed), self._latest = self._latest or (0.0, None), None
        if listed is not None and listed.study_uid == study_uid and time.monotonic() - at_s <= max_age_s:
            return listed
        content = StudyContent(study_uid, self._instances(study_uid))
        self._latest = (time.monotonic(), content)
        return content

    @retried_once
    def _instances(self, study_uid: str) -> tuple[InstanceReference, ...]:
        """Instances of a study; from their headers where the list is incomplete.

        Raises:
            ArchiveRejected: both are incomplete, or the archive rejects the query.
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
        """None where the archive does not provide them."""
        with suppress(requests.HTTPError, AnswerUnreadable, AnswerTooLarge):
            return self._requests.metadata(study_uid)
        return None

    @retried_once
    def traits(self, study_uid: str) -> StudyTraits:
        """Query all series by QIDO-RS; see ``Archive.traits``."""
        with archive_errors(f"describe study {study_uid}"):
            found = self._requests.series(study_uid).rows
        return StudyTraits.of(
            (keyword, series.texts.get(tag, "")) for series in found for tag, keyword in TRAIT_TAGS.items()
        )

    @retried_once
    def search(self, filters: Mapping[str, str], limit: int, offset: int) -> StudyPage:
        """Query studies and their instance counts by QIDO-RS; see ``cvai.archive.dicomweb.qido``."""
        with archive_errors("list studies"):
            page = self._requests.studies(filters, limit, offset)
        return StudyPage({row.study_uid: row.n_instances for row in page.rows}, page.n_received)

    @retried_once
    def count(self, study_uid: str) -> int:
        """Number of instances, for archives that do not state it with the study."""
        with archive_errors(f"count study {study_uid}"):
            return self._requests.instances(study_uid, {}).n_received

    @retried_once
    def fetch(self, study_uid: str, folder: Path) -> int:
        """Retrieve by WADO-RS to disk, one instance at a time in memory; see ``Archive.fetch``."""
        private_folder(folder)
        count = 0
        with archive_errors(f"send study {study_uid}"):
            for count, data in enumerate(self._requests.study_parts(study_uid), start=1):
                write_whole(folder / f"{count:06d}.dcm", data)
        return count

    def store(
        self, study_uid: str, paths: Sequence[Path], before_sending: BeforeSending = noop
    ) -> StoreReport:
        """Store by STOW-RS the objects that QIDO-RS does not find; see ``Archive.store``."""
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
        """Query one study; see ``Archive.probe``."""
        with archive_errors("list one study"):
            clock = self._requests.server_time()
        return ArchiveProbe(detail=f"DICOMweb at {self._url}", clock=clock)

    @retried_once
    def _store_missing(
        self,
        study_uid: str,
        identities: Mapping[Path, FileIdentity],
        before_sending: BeforeSending,
        sent: set[str],
    ) -> None:
        """Store missing objects; adds to ``sent`` those sent now, or earlier without confirmation.

        Every retry queries again: after a lost connection another worker may have stored the batch.
        """
        present = self._present(study_uid, identities)
        sent |= present & self._in_doubt
        missing = {path: i for path, i in identities.items() if i.sop_instance_uid not in present}
        if missing:
            before_sending()
            uids = {i.sop_instance_uid for i in missing.values()}
            sent |= uids
            self._in_doubt |= uids
            self._store_batch(study_uid, missing)

    def _present(self, study_uid: str, identities: Mapping[Path, FileIdentity]) -> set[str]:
        """UIDs of the objects that the archive has, with the same content.

        Only their series are queried: the study may have thousands of images.

        Raises:
            ArchiveRejected: another object has one of their UIDs.
        """
        series_uids = sorted({identity.series_uid for identity in identities.values()})
        shown: set[str] = set()
        with archive_errors(f"list results in study {study_uid}"):
            for series_uid in series_uids:
                rows = self._requests.instances(study_uid, {"SeriesInstanceUID": series_uid}).rows
                shown |= {row.sop_instance_uid for row in rows}
        present = {path: i for path, i in identities.items() if i.sop_instance_uid in shown}
        for path, identity in present.items():
            self._require_same(path, identity)
        return {identity.sop_instance_uid for identity in present.values()}

    def _require_same(self, path: Path, identity: FileIdentity) -> None:
        """Check that the archive's object has the same content, if it can be retrieved."""
        with archive_errors(f"send instance {identity.sop_instance_uid}"):
            retrieved = self._retrieved(identity)
        if retrieved is not None and not has_same_content(retrieved, path):
            raise ArchiveRejected(
                "object_differs",
                f"the archive has another object under {identity.sop_instance_uid}.",
                "Compare both; if the new one is right, remove the other from the archive and retry the job.",
            )

    def _retrieved(self, identity: FileIdentity) -> bytearray | None:
        """An instance from the archive, None where it cannot be retrieved."""
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
        """Store objects; those not confirmed as stored must be listed by the archive."""
        with archive_errors(f"store {len(objects)} objects into study {study_uid}"):
            answer = self._requests.store(study_uid, [path.read_bytes() for path in objects])
        left = {path: i for path, i in objects.items() if i.sop_instance_uid not in answer.stored}
        present = self._present(study_uid, left)
        uids = (i.sop_instance_uid for i in left.values())
        if unstored := {uid: answer.failed.get(uid) for uid in uids if uid not in present}:
            raise _not_stored(unstored, len(objects))


def _not_stored(unstored: Unstored, n_sent: int) -> CvaiError:
    """The error for objects that the archive neither confirmed nor lists."""
    later = {uid for uid, reason in unstored.items() if reason in RETRYABLE}
    unseen = {uid for uid, reason in unstored.items() if reason is None or reason in EXISTS}
    objects = f"{len(unstored)} of {n_sent} objects: {reasons(unstored)}."
    if unstored.keys() - later - unseen:
        return ArchiveRejected(
            "object_rejected",
            f"the archive did not store {objects}",
            "In brackets is the FailureReason of PS3.18 I.2.2; the archive's own log says more.",
        )
    if later:
        return TemporarilyUnavailable(
            "archive_busy", f"the archive did not store {objects}", "The request is repeated."
        )
    return TemporarilyUnavailable(
        "object_not_shown",
        f"the archive neither lists yet nor confirmed {objects}",
        "The query is repeated; they count as stored once they are listed.",
        SHOWN_AFTER_S,
    )


def batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The files in order, in batches within the limits of a request."""
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
