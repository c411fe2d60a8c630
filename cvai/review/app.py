"""The page as one application: routes, errors in words, and the files beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from cvai.errors import (
    AccessDenied,
    CvaiError,
    Outdated,
    Refused,
    RequestInvalid,
    TemporarilyUnavailable,
)
from cvai.review.page import Page
from cvai.review.routes_pages import pages
from cvai.review.routes_sign_in import sign_in_routes
from cvai.review.routes_study import api
from cvai.review.security import Guard
from cvai.review.wording import render, static_folder

log = structlog.get_logger(__name__)

STATUS: Mapping[type[CvaiError], int] = MappingProxyType(
    {AccessDenied: 403, Outdated: 409, RequestInvalid: 404, Refused: 410, TemporarilyUnavailable: 503}
)
"""HTTP status of an error's class; others are ours, 500."""

STATUS_OF_CODE = MappingProxyType({"sign_in_needed": 401, "changes_invalid": 422, "reason_missing": 422})
ASKED_BY_SCRIPTS = ("/api/", "/worklist")
"""What the page's scripts ask for: they are told of an error as JSON, and not led to a page to sign in."""


def create_app(page: Page) -> ASGIApp:
    """The page, guarded."""
    app = FastAPI(title="cvai", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.page = page
    app.include_router(sign_in_routes)
    app.include_router(pages)
    app.include_router(api)
    app.mount("/static", StaticFiles(directory=static_folder()), name="static")
    for path, answer in page.service_routes.items():
        app.add_api_route(path, _plain(answer), response_class=PlainTextResponse)
    app.add_exception_handler(CvaiError, _told)
    app.add_exception_handler(RequestValidationError, _told_invalid)
    app.add_exception_handler(SQLAlchemyError, _told_unavailable)
    return Guard(app, page.options.hosts, page.options.https, _sessions_of(page))


def _sessions_of(page: Page) -> Callable[[str], bool]:
    def is_signed_in(key: str) -> bool:
        return page.accounts.is_signed_in(key)

    return is_signed_in


def _plain(answer: Callable[[], tuple[int, str, str]]) -> Callable[[], Response]:
    def endpoint() -> Response:
        status, text, media_type = answer()
        return Response(text, status, media_type=media_type)

    return endpoint


async def _told_invalid(request: Request, error: Exception) -> Response:
    """What did not even have the form of a request; what exactly was sent is not repeated."""
    del error
    return await _told(
        request,
        RequestInvalid("changes_invalid", "This request has not the right form.", "Load the page again."),
    )


async def _told_unavailable(request: Request, error: Exception) -> Response:
    """The jobs' database; the error's own text may quote what was asked of it."""
    log.warning("page_without_database", error=type(error).__name__)
    return await _told(
        request,
        TemporarilyUnavailable(
            "database_unavailable", "The database of jobs does not answer.", "Try again in a moment."
        ),
    )


async def _told(request: Request, error: Exception) -> Response:
    """An error as a page for people, as JSON for the page's scripts."""
    if not isinstance(error, CvaiError):
        raise error
    status = _status(error)
    if request.url.path.startswith(ASKED_BY_SCRIPTS):
        content = {"code": error.code, "message": error.message, "hint": error.hint}
        return JSONResponse(content, status)
    if status == 401:
        return RedirectResponse(f"/sign-in?then={quote(request.url.path)}", 303)
    return HTMLResponse(render("problem.html", page=request.app.state.page, error=error), status)


def _status(error: CvaiError) -> int:
    if error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
