"""Client for the parts of Orthanc's REST API that cvai uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus

import requests

from cvai.archive.dicomweb.requests import AnswerLimits
from cvai.archive.foreign_json import AnswerUnreadable, M, body_of, json_of, part, parts, whole
from cvai.archive.http import archive_errors, retried_once
from cvai.archive.odd import OddAnswers
from cvai.archive.orthanc.json import (
    ChangesPage,
    Found,
    InstanceMetadata,
    SeriesInstances,
    StoredInstance,
    StudySeries,
)

CHANGES_PAGE = 1000


class OrthancRest:
    """Queries to Orthanc's own REST API.

    Args:
        url: address of Orthanc, such as ``http://localhost:8042``.
        session: carries the credentials.
        timeout_s: for connecting and between two pieces of a response.
        limits: of response sizes.
        odd: counts invalid parts of responses.
    """

    def __init__(
        self,
        url: str,
        session: requests.Session,
        timeout_s: float,
        limits: AnswerLimits | None = None,
        odd: OddAnswers | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.limits = limits or AnswerLimits()
        self.odd = odd or OddAnswers()
        self._session = session
        self._timeout_s = timeout_s

    @retried_once
    def value(self, path: str) -> object:
        """The JSON value at ``path``; None when there is no such resource."""
        with (
            archive_errors(f"answer {path}"),
            self._session.get(f"{self.url}{path}", timeout=self._timeout_s, stream=True) as response,
        ):
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            response.raise_for_status()
            value = json_of(response, self.limits.json_bytes)
            if value is None:
                raise AnswerUnreadable("null")
            return value

    def resource(self, path: str, model: type[M]) -> M | None:
        """The resource at ``path``; None when it is missing or invalid."""
        value = self.value(path)
        return None if value is None else part(value, model, self.odd, "orthanc")

    def changes(self, query: str) -> ChangesPage:
        """A page of changes: ``since=`` a number, or the ``last`` one."""
        value = self.value(f"/changes?{query}&limit={CHANGES_PAGE}")
        with archive_errors("list changes"):
            return whole(value, ChangesPage)

    def sender(self, study_uid: str) -> str:
        """AE title that sent the first instance of a study; empty when it did not come by C-STORE."""
        for study in self._studies_of(study_uid):
            for series in self._children(f"/studies/{study}", StudySeries)[:1]:
                for instance in self._children(f"/series/{series}", SeriesInstances)[:1]:
                    metadata = self.resource(f"/instances/{instance}/metadata?expand", InstanceMetadata)
                    return "" if metadata is None else metadata.sender
        return ""

    def files(self, study_uid: str) -> dict[str, str]:
        """Orthanc's file names by SOP Instance UID; re-sent or modified instances get new files."""
        files: dict[str, str] = {}
        for study in self._studies_of(study_uid):
            listed = self.value(f"/studies/{study}/instances?expand")
            for instance in parts(
                listed if isinstance(listed, list) else [], StoredInstance, self.odd, "orthanc"
            ):
                uid = instance.tags.sop_instance_uid
                files[uid] = " ".join(sorted((*files.get(uid, "").split(), instance.file)))
        return files

    def now(self) -> datetime:
        """Orthanc's own time."""
        with (
            archive_errors("tell its time"),
            self._session.get(f"{self.url}/tools/now", timeout=self._timeout_s, stream=True) as response,
        ):
            response.raise_for_status()
            time = body_of(response, self.limits.json_bytes).decode("ascii", "replace")
            try:
                return datetime.strptime(time, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            except ValueError as error:
                raise AnswerUnreadable("no time") from error

    def _studies_of(self, study_uid: str) -> list[str]:
        """Orthanc's identifiers of a study."""
        with (
            archive_errors(f"look up study {study_uid}"),
            self._session.post(
                f"{self.url}/tools/lookup", data=study_uid, timeout=self._timeout_s, stream=True
            ) as response,
        ):
            response.raise_for_status()
            found = json_of(response, self.limits.json_bytes)
        results = parts(found if isinstance(found, list) else [], Found, self.odd, "orthanc")
        return [item.identifier for item in results if item.kind == "Study"]

    def _children(self, path: str, model: type[StudySeries] | type[SeriesInstances]) -> Sequence[str]:
        parent = self.resource(path, model)
        return () if parent is None else parent.children
