"""Who is asking, and whether they may: the dependencies of every route."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, Request

from cvai.errors import AccessDenied
from cvai.review.audited import TheAccess, access_of, page_of
from cvai.review.page import Page
from cvai.review.security import COOKIE, SAFE_METHODS
from cvai.review.sign_in.accounts import Role, Session
from cvai.review.summary import Summary

CSRF_HEADER = "x-csrf-token"
ASKED_BY_ITSELF = ("/worklist", "/shared")
"""What an open page asks every few seconds: that alone does not keep a session alive."""


ThePage = Annotated[Page, Depends(page_of)]


def session_of(request: Request, page: ThePage) -> Session:
    """The session of the request's cookie; a request that changes something must also tell its word.

    Raises:
        AccessDenied: ``sign_in_needed`` or ``request_forged``.
    """
    in_use = not request.url.path.endswith(ASKED_BY_ITSELF)
    session = page.accounts.session(request.cookies.get(COOKIE, ""), in_use=in_use)
    if session is None:
        raise AccessDenied(
            "sign_in_needed", "You are not signed in, or your session has ended.", "Sign in again."
        )
    word = request.headers.get(CSRF_HEADER, "")
    # Bytes: a header may hold any of latin-1, of which compare_digest takes no text.
    if request.method not in SAFE_METHODS and not secrets.compare_digest(
        word.encode(), session.csrf.encode()
    ):
        raise AccessDenied(
            "request_forged", "This request was not made by this page.", "Load the page again."
        )
    if (access := access_of(request)) is not None:
        access.is_by(session)
    return session


SignedIn = Annotated[Session, Depends(session_of)]
"""For routes that need a reader, whoever it is."""


def require_role(session: Session, role: Role) -> Session:
    """The session, if its reader may do what ``role`` may.

    Raises:
        AccessDenied: ``role_missing``.
    """
    if not session.reader.role.includes(role):
        raise AccessDenied(
            "role_missing",
            f"This needs the role {role}; yours is {session.reader.role}.",
            "Ask your administrator.",
        )
    return session


def _reviewer(session: SignedIn) -> Session:
    return require_role(session, Role.REVIEWER)


def _admin(session: SignedIn) -> Session:
    return require_role(session, Role.ADMIN)


Reviewer = Annotated[Session, Depends(_reviewer)]
Admin = Annotated[Session, Depends(_admin)]


def study_of(job_id: str, page: ThePage, session: SignedIn, access: TheAccess) -> Summary:
    """The study a route is about; its audit message names it.

    Raises:
        RequestInvalid: ``study_unknown``.
    """
    del session  # who is not signed in is not told which studies there are
    summary = page.worklist.study(job_id)
    access.shows([summary.record.job.study_uid])
    return summary


TheStudy = Annotated[Summary, Depends(study_of)]
