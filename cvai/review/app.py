"""The page as one application: routes, errors in words, and the files beside them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from math import ceil
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import quote

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from cvai.audit.counts import CountedEvents
from cvai.errors import (
    AccessDenied,
    CvaiError,
    Outdated,
    Refused,
    RequestInvalid,
    TemporarilyUnavailable,
)
from cvai.jobs.full_disk import DISK_UNWELL, is_full
from cvai.languages import translator
from cvai.review.audited import DeclaredRoute, NoPatientData, shows
from cvai.review.language import language_of
from cvai.review.page import Page
from cvai.review.routes.admin import admin_routes
from cvai.review.routes.pages import pages
from cvai.review.routes.sign_in import sign_in_routes
from cvai.review.routes.study import api
from cvai.review.security import Guard
from cvai.review.sign_in.brake import OF_A_PROVIDER, OF_TOKENS, SignInBrake
from cvai.review.wording import render, static_folder

log = structlog.get_logger(__name__)

STATUS: Mapping[type[CvaiError], int] = MappingProxyType(
    {AccessDenied: 403, Outdated: 409, RequestInvalid: 404, Refused: 410, TemporarilyUnavailable: 503}
)
"""HTTP status of an error's class; others are ours, 500."""

STATUS_OF_CODE = MappingProxyType(
    {"sign_in_needed": 401, "sign_in_braked": 429, "upload_too_large": 413}
    | dict.fromkeys(("reader_exists", "reader_is_yourself", "upload_out_of_order"), 409)
    | dict.fromkeys(("changes_invalid", "reason_missing", "entry_invalid"), 422)
)
ASKED_BY_SCRIPTS = ("/api/", "/worklist")
"""What the page's scripts ask for: they are told of an error as JSON, and not led to a page to sign in."""

READS_COUNTED_FOR_S = 600.0
"""An open page asks every few seconds, without its reader: its repeats are one message in ten minutes."""

FAILURES_COUNTED_FOR_S = 60.0
COUNTS_WRITTEN_EVERY_S = 5.0


def create_app(page: Page) -> ASGIApp:
    """The page, guarded."""
    app = FastAPI(title="cvai", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_counting)
    app.state.page = page
    app.state.token_brake = SignInBrake(OF_TOKENS)
    app.state.provider_brake = SignInBrake(OF_A_PROVIDER)
    app.state.repeated_reads = CountedEvents(page.record, READS_COUNTED_FOR_S)
    app.state.failed_sign_ins = CountedEvents(page.record, FAILURES_COUNTED_FOR_S)
    app.include_router(sign_in_routes)
    app.include_router(pages)
    app.include_router(api)
    app.include_router(admin_routes)
    app.mount("/static", StaticFiles(directory=static_folder()), name="static")
    app.include_router(_service_routes(page))
    app.add_exception_handler(CvaiError, _told)
    app.add_exception_handler(RequestValidationError, _told_invalid)
    app.add_exception_handler(404, _told_unknown)
    app.add_exception_handler(SQLAlchemyError, _told_unavailable)
    app.add_exception_handler(sqlite3.OperationalError, _told_full)
    app.add_exception_handler(OSError, _told_full)
    guard = Guard(app, page.options.hosts, page.options.https, _sessions_of(page))
    proxies = list(page.options.proxies)
    return cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", guard), proxies)) if proxies else guard


def _sessions_of(page: Page) -> Callable[[str], bool]:
    def is_signed_in(key: str) -> bool:
        return page.accounts.is_signed_in(key)

    return is_signed_in


@asynccontextmanager
async def _counting(app: FastAPI) -> AsyncIterator[None]:
    """Write audit counts from time to time while the page is served, and the last of them when it ends."""
    writing = asyncio.create_task(_write_counts_again_and_again(app))
    try:
        yield
    finally:
        writing.cancel()
        await run_in_threadpool(_write_counts, app, all_of_them=True)


async def _write_counts_again_and_again(app: FastAPI) -> None:
    while True:
        await asyncio.sleep(COUNTS_WRITTEN_EVERY_S)
        await run_in_threadpool(_write_counts, app)


def _write_counts(app: FastAPI, *, all_of_them: bool = False) -> None:
    counted: tuple[CountedEvents, ...] = (app.state.repeated_reads, app.state.failed_sign_ins)
    try:
        for events in counted:
            events.write_counts(all_of_them=all_of_them)
    except TemporarilyUnavailable as error:
        log.warning("audit_counts_wait", code=error.code)


def _service_routes(page: Page) -> APIRouter:
    routes = APIRouter(route_class=DeclaredRoute)
    for path, answer in page.service_routes.items():
        routes.add_api_route(path, _plain(answer), response_class=PlainTextResponse)
    return routes


def _plain(answer: Callable[[], tuple[int, str, str]]) -> Callable[[], Response]:
    @shows(NoPatientData("counts and states of the service; no label names a study or a patient"))
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


async def _told_unknown(request: Request, error: Exception) -> Response:
    """An address that there is nothing at."""
    del error
    return await _told(
        request,
        RequestInvalid(
            "address_unknown", "There is no page at this address.", "The worklist leads to every study."
        ),
    )


async def _told_full(request: Request, error: Exception) -> Response:
    """A disk that takes no more, told by the page's own database or by a file; readers can read on."""
    number = error.errno if isinstance(error, OSError) else None
    if not (is_full(error) or number in DISK_UNWELL):
        raise error
    log.warning("page_disk_full", error=type(error).__name__)
    return await _told(
        request,
        TemporarilyUnavailable(
            "disk_unavailable",
            "The disk of the service takes no more.",
            "What is there can be read on; nothing is lost. Try again once there is room.",
        ),
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
    wait_s = error.retry_after_s if isinstance(error, TemporarilyUnavailable) else 0.0
    headers = {"Retry-After": str(ceil(wait_s))} if wait_s else None
    language = language_of(request)
    if request.url.path.startswith(ASKED_BY_SCRIPTS):
        say = translator(language)
        content = {"code": error.code, "message": say(error.message), "hint": say(error.hint)}
        return JSONResponse(content, status, headers)
    if status == 401:
        return RedirectResponse(f"/sign-in?then={quote(request.url.path)}", 303)
    return HTMLResponse(
        render("problem.html", language, page=request.app.state.page, error=error), status, headers
    )


def _status(error: CvaiError) -> int:
    if error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
