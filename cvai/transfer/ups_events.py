"""Requests to cancel workitems, over a subscription to their events (PS3.18 sections 8.10 and 11.10).

A request to cancel a workitem in progress changes nothing that a query would show: the server passes it on as
an event (UPS Cancel Requested) to those who are subscribed and connected. It need not keep it for others.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from urllib.parse import quote

import requests
import structlog
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from cvai.archive.dicomweb.dicom_json import EventRow
from cvai.archive.foreign_json import AnswerUnreadable, parsed, part
from cvai.archive.http import archive_errors
from cvai.archive.odd import OddAnswers
from cvai.errors import CvaiError
from cvai.transfer.ups import MEDIA_TYPE

log = structlog.get_logger(__name__)

WHOLE_WORKLIST = "1.2.840.10008.5.1.4.34.5"
"""UPS Global Subscription SOP Instance, in place of a workitem."""

CANCEL_REQUESTED = 2
"""Event Type ID (PS3.4 table CC.2.4-1)."""

RECONNECT_S = 10.0

LARGEST_MESSAGE_BYTES = 1_000_000

PING_EVERY_S, SILENT_AT_MOST_S = 30.0, 60.0


class WorkitemEvents:
    """A subscriber to workitems.

    Args:
        url: root of the UPS-RS service.
        events_url: root of its notifications, ``ws`` or ``wss``; ``/subscribers/AETITLE`` is added.
        session: carries the credentials.
        timeout_s: for connecting and between two pieces of a response.
        ae_title: of the subscriber.
        whole_worklist: subscribe to all workitems at once, instead of each that is followed.
        odd: counts invalid events.
    """

    def __init__(
        self,
        url: str,
        events_url: str,
        session: requests.Session,
        timeout_s: float,
        ae_title: str,
        *,
        whole_worklist: bool = False,
        odd: OddAnswers | None = None,
    ) -> None:
        self._workitems_url = f"{url.rstrip('/')}/workitems"
        self._ae_title = quote(ae_title, safe="")
        self._events_url = f"{events_url.rstrip('/')}/subscribers/{self._ae_title}"
        self._session = session
        self._timeout_s = timeout_s
        self._whole_worklist = whole_worklist
        self._odd = odd or OddAnswers()
        self._connection: ClientConnection | None = None
        self._leaving = ExitStack()
        self._subscribed: set[str] = set()
        self._next_attempt_s = 0.0

    def cancel_requests(self, workitem_uids: Collection[str]) -> Iterator[tuple[str, str]]:
        """(workitem, reason) of the requests that have arrived; returns without waiting for one.

        Connects and subscribes first where needed. Failures are logged and tried again later: a worklist
        without events is followed as well.

        Args:
            workitem_uids: those that are followed.
        """
        connection = self._connected()
        if connection is None:
            return
        try:
            self._subscribe(workitem_uids)
            yield from self._requests(connection)
        except (WebSocketException, OSError) as error:
            self._lost(type(error).__name__)
        except CvaiError as error:
            self._lost(error.code)

    def close(self) -> None:
        """End the connection; subscriptions stay."""
        self._connection = None
        self._leaving.close()

    def _connected(self) -> ClientConnection | None:
        """The connection, opened where it is time for it: the server reports to those who are connected."""
        if self._connection is None and time.monotonic() >= self._next_attempt_s:
            request = requests.Request("GET", self._workitems_url)
            credentials = self._session.prepare_request(request).headers.get("Authorization")
            # Both are mandatory (PS3.18 table 8.10.4-1), though nothing is sent and no browser asks.
            headers = {"Content-Type": MEDIA_TYPE, "Origin": self._workitems_url}
            if credentials is not None:
                headers["Authorization"] = str(credentials)
            try:
                opened = connect(
                    self._events_url,
                    additional_headers=headers,
                    open_timeout=self._timeout_s,
                    close_timeout=1.0,
                    ping_interval=PING_EVERY_S,
                    ping_timeout=SILENT_AT_MOST_S,
                    max_size=LARGEST_MESSAGE_BYTES,
                )
                self._connection = self._leaving.enter_context(opened)
            except (WebSocketException, OSError) as error:
                self._lost(type(error).__name__)
            else:
                self._subscribed.clear()  # the server may have been replaced
                log.info("workitem_events_open")
        return self._connection

    def _lost(self, reason: str) -> None:
        log.warning("workitem_events_lost", reason=reason, retry_s=RECONNECT_S)
        self.close()
        self._next_attempt_s = time.monotonic() + RECONNECT_S

    def _subscribe(self, workitem_uids: Collection[str]) -> None:
        """Subscribe to what is followed, and to nothing else (PS3.18 sections 11.10 and 11.11)."""
        wanted = {WHOLE_WORKLIST} if self._whole_worklist else set(workitem_uids)
        for uid in sorted(wanted - self._subscribed):
            self._change("POST", uid)
            self._subscribed.add(uid)
        for uid in sorted(self._subscribed - wanted):
            self._subscribed.discard(uid)
            self._change("DELETE", uid)

    def _change(self, method: str, workitem_uid: str) -> None:
        url = f"{self._workitems_url}/{workitem_uid}/subscribers/{self._ae_title}"
        with (
            archive_errors("change a subscription"),
            self._session.request(method, url, timeout=self._timeout_s, stream=True) as response,
        ):
            if method == "POST":  # what cannot be unsubscribed is gone
                response.raise_for_status()

    def _requests(self, connection: ClientConnection) -> Iterator[tuple[str, str]]:
        for message in _arrived(connection):
            try:
                content = parsed(message)
            except AnswerUnreadable:
                content = None
            event = part(content, EventRow, self._odd, "ups")
            if event is not None and event.event_type == CANCEL_REQUESTED:
                yield event.workitem_uid, event.reason


def _arrived(connection: ClientConnection) -> Iterator[bytes]:
    """Messages that have arrived; waits for none."""
    while True:
        try:
            message = connection.recv(timeout=0)
        except TimeoutError:
            return
        yield message.encode() if isinstance(message, str) else message
