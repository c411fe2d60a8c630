"""How a reader comes in and goes: by token, or through an OpenID provider."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Annotated, cast
from urllib.parse import parse_qs

from fastapi import APIRouter, Cookie, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from cvai.audit.counts import CountedEvents
from cvai.audit.messages import Act, AuditEvent
from cvai.errors import AccessDenied, CvaiError, RequestInvalid, TemporarilyUnavailable
from cvai.languages import translator
from cvai.review.access import SignedIn, ThePage
from cvai.review.audited import DeclaredRoute, NoPatientData, address_of, shows
from cvai.review.language import TheLanguage, language_of
from cvai.review.page import Page
from cvai.review.security import COOKIE, SIGN_IN_PATH
from cvai.review.sign_in.accounts import Reader
from cvai.review.sign_in.brake import OTHERS, SignInBrake
from cvai.review.sign_in.oidc import Attempt, OpenIdProvider, not_begun
from cvai.review.wording import render

ATTEMPT_COOKIE, ATTEMPT_LASTS_S = "cvai_sign_in", 600
CALLBACK_PATH = "/sign-in/callback"


class ProviderAnswer(BaseModel):
    """What a provider sends a reader back with (RFC 6749, 4.1.2); it may send more."""

    model_config = ConfigDict(frozen=True)
    state: str = ""
    code: str = ""
    error: str = ""


SIGN_IN_ONLY = shows(NoPatientData("who signs in is a reader; studies are shown by other routes"))

sign_in_routes = APIRouter(default_response_class=HTMLResponse, route_class=DeclaredRoute)


@sign_in_routes.get(SIGN_IN_PATH)
@SIGN_IN_ONLY
def sign_in_form(page: ThePage, language: TheLanguage) -> str:
    """Where a reader chooses how to sign in."""
    return render("sign_in.html", language, page=page, wrong="")


@sign_in_routes.post(SIGN_IN_PATH)
@SIGN_IN_ONLY
async def sign_in(request: Request, page: ThePage) -> Response:
    """Take a token, give a session."""
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    token = form.get("token", [""])[0]
    return await run_in_threadpool(_signed_in, request, page, token)


def _signed_in(request: Request, page: Page, token: str) -> Response:
    try:
        reader = page.accounts.reader_of(token)
    except AccessDenied as error:
        if wait_s := _count_failure(request, request.app.state.token_brake):
            return _sign_in_again(request, page, _braked(wait_s), 429, {"Retry-After": str(ceil(wait_s))})
        return _sign_in_again(request, page, error, 401)
    if page.first_token is not None:
        page.first_token.used(token)
    return _with_session(page, reader, address_of(request), RedirectResponse("/", 303))


def _sign_in_again(
    request: Request, page: Page, error: CvaiError, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    language = language_of(request)
    say = translator(language)
    wrong = f"{say(error.message)} {say(error.hint)}".strip()
    return HTMLResponse(render("sign_in.html", language, page=page, wrong=wrong), status, headers)


@sign_in_routes.get("/sign-in/oidc")
@SIGN_IN_ONLY
def sign_in_elsewhere(page: ThePage) -> Response:
    """Send a reader to the OpenID provider."""
    attempt = Attempt.new()
    answer = RedirectResponse(_provider(page).authorization_url(attempt), 303)
    # Lax: the reader comes back from another site.
    answer.set_cookie(
        ATTEMPT_COOKIE,
        attempt.key,
        max_age=ATTEMPT_LASTS_S,
        path=SIGN_IN_PATH,
        httponly=True,
        samesite="lax",
        secure=page.options.https,
    )
    return answer


@sign_in_routes.get(CALLBACK_PATH)
@SIGN_IN_ONLY
def come_back(
    request: Request,
    page: ThePage,
    sent: Annotated[ProviderAnswer, Query()],
    key: Annotated[str, Cookie(alias=ATTEMPT_COOKIE)] = "",
) -> Response:
    """Take a reader back from the OpenID provider, give a session."""
    brake = cast("SignInBrake", request.app.state.provider_brake)
    if wait_s := brake.wait_s(address_of(request)):
        raise _braked(wait_s)
    try:
        reader = _come_back(page, Attempt(key), sent)
    except CvaiError:
        _count_failure(request, brake)
        raise
    # The session's cookie is not sent on a way that began at another site: a page of ours leads on.
    answer = _with_session(
        page, reader, address_of(request), HTMLResponse(render("signed_in.html", language_of(request)))
    )
    answer.delete_cookie(ATTEMPT_COOKIE, path=SIGN_IN_PATH, httponly=True, secure=page.options.https)
    return answer


def _come_back(page: Page, attempt: Attempt, sent: ProviderAnswer) -> Reader:
    if not attempt.key or not sent.state.isascii():
        raise not_begun()
    if sent.error or not sent.code:
        raise AccessDenied(
            "code_refused",
            "The provider does not stand for this sign-in.",
            "Sign in again; if it stays so, ask your administrator.",
        )
    return page.accounts.known_as(_provider(page).identity(attempt, sent.state, sent.code))


@sign_in_routes.post("/sign-out")
@SIGN_IN_ONLY
def sign_out(request: Request, page: ThePage, session: SignedIn) -> Response:
    """End the session, and tell where to go then: who came through a provider signs out there too."""
    page.accounts.end(request.cookies[COOKIE])
    page.record(AuditEvent(Act.SIGNED_OUT, session.reader.name, address=address_of(request)))
    answer = JSONResponse({"then": _after_sign_out(page, session.reader)})
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=page.options.https)
    return answer


def _after_sign_out(page: Page, reader: Reader) -> str:
    if page.provider is None or not page.accounts.has_identity(reader.name):
        return SIGN_IN_PATH
    try:
        return page.provider.sign_out_url() or SIGN_IN_PATH
    except CvaiError:
        return SIGN_IN_PATH  # the session here has ended all the same


def _provider(page: Page) -> OpenIdProvider:
    if page.provider is None:
        raise RequestInvalid("sign_in_by_token", "Readers sign in here with a token.", "Sign in with yours.")
    return page.provider


def _with_session(page: Page, reader: Reader, address: str, answer: Response) -> Response:
    page.record(AuditEvent(Act.SIGNED_IN, reader.name, address=address))
    answer.set_cookie(
        COOKIE, page.accounts.begin(reader), httponly=True, samesite="strict", secure=page.options.https
    )
    return answer


def _count_failure(request: Request, brake: SignInBrake) -> float:
    """Record a failed sign-in, many of one address as one message; returns the seconds it came too early."""
    address = address_of(request)
    source = brake.source(address)
    wait_s = brake.failed(address)
    named = "" if source == OTHERS else address
    event = AuditEvent(Act.SIGNED_IN, "unknown", address=named, allowed=False)
    cast("CountedEvents", request.app.state.failed_sign_ins).record(source, event)
    return wait_s


def _braked(wait_s: float) -> TemporarilyUnavailable:
    return TemporarilyUnavailable(
        "sign_in_braked",
        "Too many sign-ins from your address have failed.",
        f"Try again in {ceil(wait_s)} s.",
        wait_s,
    )
