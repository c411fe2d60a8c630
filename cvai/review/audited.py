"""Which routes answer with patients' data, and the audit message that each of their answers has.

Every route declares what it shows (``shows``); a route without a declaration cannot be made. The message of
an audited route is written after its answer is made and before any of it is sent: without the message there
is no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar, cast

from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from cvai.audit.counts import CountedEvents
from cvai.audit.messages import Act, AuditEvent
from cvai.review.page import Page
from cvai.review.sign_in.accounts import Session

F = TypeVar("F", bound=Callable[..., Any])

DECLARATION = "shows_patient_data"
"""Attribute of an endpoint that holds its declaration."""

STUDIES_A_MESSAGE = 500
"""A message that names more would not fit into a datagram of syslog."""


@dataclass(frozen=True, slots=True)
class Audited:
    """A route that answers with patients' data, or changes them.

    Args:
        act: what its reader does.
        repeated: asked for by an open page every few seconds: repeats are counted, see ``CountedEvents``.
    """

    act: Act
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class NoPatientData:
    """A route that answers without patients' data.

    Args:
        reason: why there can be none.

    Raises:
        ValueError: no reason is given.
    """

    reason: str

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a route without patients' data says why")


Declaration: TypeAlias = Audited | NoPatientData


def shows(declaration: Declaration) -> Callable[[F], F]:
    """Declare what an endpoint shows; it stands below the decorator of its route."""

    def declare(endpoint: F) -> F:
        setattr(endpoint, DECLARATION, declaration)
        return endpoint

    return declare


def page_of(request: Request) -> Page:
    """The page this request is for."""
    return cast("Page", request.app.state.page)


def address_of(request: Request) -> str:
    """The address a request comes from, empty when unknown or, as a proxy told it, no text of a line."""
    host = request.client.host if request.client else ""
    return host if host.isascii() and host.isprintable() else ""


class Access:
    """Who reads what in one request, gathered while it is answered.

    Args:
        request: the request.
        declaration: of its route.
    """

    def __init__(self, request: Request, declaration: Audited) -> None:
        self._request = request
        self._declaration = declaration
        self._session: Session | None = None
        self._studies: tuple[str, ...] | None = None
        self._recorded = False

    def is_by(self, session: Session) -> None:
        """Name the reader."""
        self._session = session

    def shows(self, study_uids: Iterable[str]) -> None:
        """Name the studies whose data the answer holds, each once: several analyses may be of one."""
        self._studies = tuple(dict.fromkeys(study_uids))

    def record(self) -> None:
        """Write the audit message, once; what must not happen without it calls this itself beforehand.

        Raises:
            TemporarilyUnavailable: see ``AuditTrail.record``.
            RuntimeError: the route has named no reader or no studies, which is a defect.
        """
        if self._recorded:
            return
        if self._session is None or self._studies is None:
            raise RuntimeError(f"{self._request.url.path} does not say who reads which studies")
        for event in self._events(self._session, self._studies):
            if self._declaration.repeated:
                counted = cast("CountedEvents", self._request.app.state.repeated_reads)
                counted.record((self._session.csrf, self._request.method, event), event)
            else:
                page_of(self._request).record(event)
        self._recorded = True

    def _events(self, session: Session, studies: tuple[str, ...]) -> list[AuditEvent]:
        act, path = self._declaration.act, self._request.url.path
        address = address_of(self._request)
        if act is not Act.LISTED:
            (study_uid,) = studies
            return [AuditEvent(act, session.reader.name, study_uid, address=address, detail=path)]
        return [
            AuditEvent(
                act,
                session.reader.name,
                address=address,
                detail=path,
                listed=studies[start : start + STUDIES_A_MESSAGE],
            )
            for start in range(0, max(1, len(studies)), STUDIES_A_MESSAGE)
        ]


def access_of(request: Request) -> Access | None:
    """The access that this request's route gathers; None where it shows no patients' data."""
    return cast("Access | None", getattr(request.state, "access", None))


def _audited_access(request: Request) -> Access:
    access = access_of(request)
    if access is None:
        raise RuntimeError(f"{request.url.path} is declared as without patients' data")
    return access


TheAccess = Annotated[Access, Depends(_audited_access)]


class DeclaredRoute(APIRoute):
    """A route that declares what it shows, and leaves an audit message where that is patients' data.

    Raises:
        TypeError: its endpoint declares nothing.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **named: Any) -> None:
        if not isinstance(getattr(endpoint, DECLARATION, None), Declaration):
            raise TypeError(f"{path} does not declare whether it shows patients' data")
        super().__init__(path, endpoint, **named)

    @property
    def declaration(self) -> Declaration:
        """What the route shows."""
        return cast("Declaration", getattr(self.endpoint, DECLARATION))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See the base class."""
        handler = super().get_route_handler()
        declaration = self.declaration
        if isinstance(declaration, NoPatientData):
            return handler

        async def audited(request: Request) -> Response:
            request.state.access = access = Access(request, declaration)
            answer = await handler(request)
            await run_in_threadpool(access.record)
            return answer

        return audited
