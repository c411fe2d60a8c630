"""An archive spoken to over DICOMweb (PS3.18): QIDO-RS to ask, WADO-RS to fetch, STOW-RS to store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.web import DICOMwebClient, _Transaction

from cvai.archive.content import InstanceReference, StudyContent, StudyCount
from cvai.archive.http import archive_errors, once_more
from cvai.archive.multipart import parts_of
from cvai.archive.part10 import FileIdentity, read_identity, write_whole
from cvai.archive.port import ArchiveProbe, BeforeSending, StoreReport, go_on
from cvai.archive.traits import TRAIT_TAGS, StudyTraits
from cvai.errors import ArchiveRejected

STORE_BATCH, STORE_BATCH_BYTES = 50, 64_000_000
"""What a STOW request carries at most, except that one instance always goes. In batches of 50 Orthanc 1.10
takes 200 to 280 images a second; and a request is held in memory, here and in many an archive."""

STUDY_INSTANCE_UID, STUDY_RELATED_INSTANCES = "0020000D", "00201208"
SOP_CLASS_UID, SOP_INSTANCE_UID, SERIES_INSTANCE_UID = "00080016", "00080018", "0020000E"
FAILED_SOP_SEQUENCE, REFERENCED_SOP_INSTANCE_UID, FAILURE_REASON = "00081198", "00081155", "00081197"


class _RawClient(DICOMwebClient):  # type: ignore[misc]
    """The client, asked for bytes: it would decode and encode every data set that passes.

    A damaged file would then break the whole study's retrieval, where it ought to be fetched and refused by
    name; and what an archive keeps would change on its way.
    """

    def iter_study_bytes(self, study_uid: str) -> Iterator[bytearray]:
        """Every instance of a study, in the transfer syntax it is kept in."""
        url = self._get_studies_url(_Transaction.RETRIEVE, study_uid)
        # Without transfer-syntax=* a server may transcode to Explicit VR Little Endian (PS3.18 8.7.3.5.2).
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        response = self._http_get(url, headers={"Accept": accept}, stream=True)
        yield from parts_of(response)

    def store_bytes(self, study_uid: str, objects: Sequence[bytes]) -> Mapping[str, Any]:
        """Store encoded data sets; returns the answer as DICOM JSON (PS3.18 table 10.5.3-2)."""
        content_type = 'multipart/related; type="application/dicom"; boundary="cvai-3f6f2b0c9d1e4a57"'
        body = self._encode_multipart_message(objects, content_type)
        headers = {"Content-Type": content_type, "Accept": "application/dicom+json"}
        response = self._http_post(self._get_studies_url(_Transaction.STORE, study_uid), body, headers)
        return dict(response.json()) if response.content else {}

    def server_time(self) -> datetime | None:
        """Ask the smallest question there is; the server's time where it tells."""
        response = self._http_get(f"{self.base_url}/studies", params={"limit": 1})
        date = response.headers.get("Date")
        return None if date is None else parsedate_to_datetime(date)


class DicomwebArchive:
    """An archive behind a DICOMweb root.

    Args:
        url: root of the service, such as ``http://localhost:8042/dicom-web``.
        session: carries the credentials.
        timeout_s: how long to wait for a connection and between two pieces of an answer.
    """

    def __init__(self, url: str, session: requests.Session, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        # UIDs whose components have leading zeros are kept by real archives.
        self._client = _RawClient(self._url, session=session, permissive_uid=True, timeout=timeout_s)
        self._client.set_http_retry_params(retry=False)
        self._latest: tuple[float, StudyContent] | None = None

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
    def _instances(self, study_uid: str, series_uid: str | None = None) -> tuple[InstanceReference, ...]:
        """Instances of a study, or of one of its series alone."""
        filters = {} if series_uid is None else {"SeriesInstanceUID": series_uid}
        with archive_errors(f"list study {study_uid}"):
            found = self._client.search_for_instances(study_uid, search_filters=filters, get_remaining=True)
        return tuple(_reference(attributes) for attributes in found)

    @once_more
    def traits(self, study_uid: str) -> StudyTraits:
        """Ask by QIDO-RS for all series with what they say of themselves; see ``Archive.traits``."""
        with archive_errors(f"describe study {study_uid}"):
            found = self._client.search_for_series(study_uid, fields=list(TRAIT_TAGS), get_remaining=True)
        return StudyTraits.of(
            (keyword, _text(series, tag)) for series in found for tag, keyword in TRAIT_TAGS.items()
        )

    @once_more
    def search(self, filters: Mapping[str, str], limit: int, offset: int) -> tuple[StudyCount, ...]:
        """Ask by QIDO-RS for studies and how many instances each has; see ``cvai.archive.qido``.

        An archive that does not tell the number, which it has to (PS3.18 table 10.6.3-3), is asked for the
        instances of each study.
        """
        with archive_errors("list studies"):
            found = self._client.search_for_studies(
                limit=limit, offset=offset, fields=[STUDY_RELATED_INSTANCES], search_filters=dict(filters)
            )
        return tuple(self._counted(attributes) for attributes in found)

    def _counted(self, attributes: Mapping[str, Any]) -> StudyCount:
        study_uid, told = _text(attributes, STUDY_INSTANCE_UID), _text(attributes, STUDY_RELATED_INSTANCES)
        return StudyCount(study_uid, int(told) if told else len(self.content(study_uid).instances))

    @once_more
    def fetch(self, study_uid: str, folder: Path) -> int:
        """Retrieve by WADO-RS to disk, one instance at a time in memory; see ``Archive.fetch``."""
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        with archive_errors(f"send study {study_uid}"):
            for count, data in enumerate(self._client.iter_study_bytes(study_uid), start=1):
                write_whole(folder / f"{count:06d}.dcm", data)
        return count

    def store(
        self, study_uid: str, paths: Sequence[Path], before_sending: BeforeSending = go_on
    ) -> StoreReport:
        """Store by STOW-RS what QIDO-RS does not find; see ``Archive.store``."""
        sent: dict[str, Path] = {}
        identities = {path: _identity(path) for path in paths}
        for batch in batches(paths):
            self._store_missing(study_uid, {path: identities[path] for path in batch}, before_sending, sent)
        uids = [identity.sop_instance_uid for identity in identities.values()]
        return StoreReport(tuple(sent), tuple(uid for uid in uids if uid not in sent))

    def probe(self) -> ArchiveProbe:
        """Ask for one study; see ``Archive.probe``."""
        with archive_errors("list one study"):
            clock = self._client.server_time()
        return ArchiveProbe(detail=f"DICOMweb at {self._url}", clock=clock)

    @once_more
    def _store_missing(
        self,
        study_uid: str,
        identities: Mapping[Path, FileIdentity],
        before_sending: BeforeSending,
        sent: dict[str, Path],
    ) -> None:
        """Store what is missing of a batch and enter it in ``sent``.

        Asked anew each time: a worker that froze while it sent wakes to a dead line, and others have stored
        the batch meanwhile. Only about the series of the batch: the images beside them may be thousands.
        """
        series_uids = sorted({identity.series_uid for identity in identities.values()})
        standing = {i.sop_instance_uid for uid in series_uids for i in self._instances(study_uid, uid)}
        missing = {i.sop_instance_uid: p for p, i in identities.items() if i.sop_instance_uid not in standing}
        if missing:
            before_sending()
            sent |= missing
            self._store_batch(study_uid, list(missing.values()))

    def _store_batch(self, study_uid: str, paths: Sequence[Path]) -> None:
        with archive_errors(f"store {len(paths)} objects into study {study_uid}"):
            answer = self._client.store_bytes(study_uid, [path.read_bytes() for path in paths])
        failed = answer.get(FAILED_SOP_SEQUENCE, {}).get("Value", [])
        if failed:
            uids = ", ".join(
                f"{_text(i, REFERENCED_SOP_INSTANCE_UID)} ({_text(i, FAILURE_REASON)})" for i in failed
            )
            raise ArchiveRejected(
                "object_rejected",
                f"the archive did not take {len(failed)} of {len(paths)} objects: {uids}.",
                "In brackets is the FailureReason of PS3.18 I.2.2; the archive's own log says more.",
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


def _text(attributes: Mapping[str, Any], tag: str) -> str:
    """First value of an attribute in DICOM JSON (PS3.18 F.2), empty when there is none."""
    values = attributes.get(tag, {}).get("Value") or [""]
    return str(values[0])


def _reference(attributes: Mapping[str, Any]) -> InstanceReference:
    return InstanceReference(
        sop_class_uid=_text(attributes, SOP_CLASS_UID),
        sop_instance_uid=_text(attributes, SOP_INSTANCE_UID),
        series_uid=_text(attributes, SERIES_INSTANCE_UID),
    )


def _identity(path: Path) -> FileIdentity:
    identity = read_identity(path)
    if identity is None:
        raise ArchiveRejected(
            "object_not_storable",
            f"{path.name} is not a DICOM object.",
            "This is a defect of the program that wrote it; please report it.",
        )
    return identity
