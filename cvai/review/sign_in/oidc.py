"""Sign-in through an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1).

The provider is asked for its metadata when somebody first signs in, not at start: a provider that is down
does not delay the analysis of studies.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlencode

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jws
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from cvai.archive.http import new_session
from cvai.archive.min_throughput import min_throughput
from cvai.errors import AccessDenied, ConfigurationInvalid, TemporarilyUnavailable
from cvai.review.sign_in.accounts import KEY_BYTES, Identity
from cvai.review.sign_in.claims import ReaderClaims
from cvai.review.sign_in.provider_answers import (
    LARGEST_ANSWER_BYTES,
    Claims,
    Metadata,
    TokenAnswer,
    TokenError,
    id_token_claims,
    id_token_header,
    parsed,
    signing_keys,
)

METADATA_PATH = "/.well-known/openid-configuration"
SIGNED_WITH = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures that are accepted: by a private key of the provider's. Not ``none``, and not a shared secret."""


@dataclass(frozen=True, slots=True)
class OidcOptions:
    """How the provider is reached, and what it is believed.

    Args:
        issuer: its identifier, below which its metadata lie.
        client_id: by which it knows the page.
        client_secret: empty for a public client, which PKCE alone protects.
        redirect_uri: where it sends readers back to.
        signed_out_uri: where it sends them after they have signed out there.
        scope: what is asked for.
        claims: who somebody is and what they may do.
        clock_skew_s: by how much its clock may differ from ours.
        timeout_s: to wait for an answer of it.
    """

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    signed_out_uri: str
    scope: str
    claims: ReaderClaims
    clock_skew_s: int = 60
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in under way: everything is derived from a key that only the reader's browser keeps.

    So nothing is kept here for those who never come back, and nobody else's answer fits (OpenID Connect Core
    1.0, 15.5.2).
    """

    key: str

    @classmethod
    def new(cls) -> Attempt:
        """Another one."""
        return cls(secrets.token_urlsafe(KEY_BYTES))

    @property
    def state(self) -> str:
        """Comes back with the reader."""
        return self._derived("state")

    @property
    def nonce(self) -> str:
        """Comes back in the ID token."""
        return self._derived("nonce")

    @property
    def code_verifier(self) -> str:
        """Shows the provider that who asks for the token is who began (RFC 7636, 4.1)."""
        return self._derived("code_verifier")

    def _derived(self, purpose: str) -> str:
        digest = hmac.digest(self.key.encode(), purpose.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class OpenIdProvider:
    """The provider as this page sees it; may be used by several threads.

    Args:
        options: how it is reached.
        clock: seconds since the epoch.
    """

    def __init__(self, options: OidcOptions, clock: Callable[[], float] = time.time) -> None:
        self._options = options
        self._clock = clock
        self._metadata: Metadata | None = None
        self._keys: KeySet | None = None
        self._lock = threading.Lock()

    def authorization_url(self, attempt: Attempt) -> str:
        """Where a reader is sent to sign in.

        Raises:
            TemporarilyUnavailable: ``provider_unavailable``.
            ConfigurationInvalid: ``provider_misconfigured``.
        """
        endpoint = self._known().authorization_endpoint
        with self._session() as session:
            url, _ = session.create_authorization_url(
                endpoint, state=attempt.state, nonce=attempt.nonce, code_verifier=attempt.code_verifier
            )
        return str(url)

    def identity(self, attempt: Attempt, state: str, code: str) -> Identity:
        """Who has come back with this code.

        Raises:
            AccessDenied: ``sign_in_not_begun``: not by this browser; ``code_refused``: the provider gives no
                token for the code; ``identity_not_proven``: the token is not what it has to be; or as
                ``ReaderClaims.reader``.
            TemporarilyUnavailable, ConfigurationInvalid: see ``authorization_url``.
        """
        if not secrets.compare_digest(attempt.state.encode(), state.encode()):
            raise not_begun()
        token = self._token(code, attempt.code_verifier)
        try:
            subject, claims = self._proven(token, attempt.nonce)
        except (JoseError, ValueError) as error:
            raise _not_proven(error) from error
        return Identity(self._options.issuer, subject, self._options.claims.reader(claims))

    def sign_out_url(self) -> str | None:
        """Where the reader's session with the provider ends; None where it offers no such place.

        Raises:
            TemporarilyUnavailable, ConfigurationInvalid: see ``authorization_url``.
        """
        endpoint = self._known().end_session_endpoint
        if endpoint is None:
            return None
        options = self._options
        query = {"client_id": options.client_id, "post_logout_redirect_uri": options.signed_out_uri}
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def _session(self) -> OAuth2Session:
        options = self._options
        session = OAuth2Session(
            options.client_id,
            options.client_secret or None,
            token_endpoint_auth_method=self._authentication(),
            scope=options.scope,
            redirect_uri=options.redirect_uri,
            code_challenge_method="S256",
        )
        return min_throughput(session)

    def _authentication(self) -> str:
        """How the page shows the provider who it is (OpenID Connect Core 1.0, 9)."""
        if not self._options.client_secret:
            return "none"
        offered = self._known().token_endpoint_auth_methods_supported or ("client_secret_basic",)
        return "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"

    def _token(self, code: str, code_verifier: str) -> TokenAnswer:
        """What the provider gives for a code (OpenID Connect Core 1.0, 3.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._options.redirect_uri,
            "code_verifier": code_verifier,
        }
        found = self._answer_to(form)
        try:
            return parsed(TokenAnswer, found)
        except ValueError as error:
            raise _not_proven(error) from error

    def _answer_to(self, form: dict[str, str]) -> bytes:
        """What the token endpoint answers."""
        with _answering(), self._session() as session:
            asked = session.post(
                self._known().token_endpoint,
                data=form,
                headers={"Accept": "application/json"},
                auth=session.client_auth(session.token_endpoint_auth_method),
                withhold_token=True,
                timeout=self._options.timeout_s,
                allow_redirects=False,
                stream=True,
            )
            with asked as answer:
                if answer.status_code >= requests.codes.server_error:
                    answer.raise_for_status()
                found = _bounded(answer)
            if not answer.ok:
                _refuse_code(parsed(TokenError, found).error)
            return found

    def _proven(self, token: TokenAnswer, nonce: str) -> tuple[str, Claims]:
        """Subject and claims of an ID token that the provider has signed, for us, now, and for this attempt.

        Raises:
            JoseError, ValueError: it is not.
        """
        options = self._options
        header = id_token_header(token.id_token)
        token_claims, claims = id_token_claims(self._signed(token.id_token))
        wanted = {
            "iss": {"essential": True, "value": options.issuer},
            "aud": {"essential": True, "value": options.client_id},
        }
        given = {"nonce": nonce, "client_id": options.client_id, "access_token": token.access_token}
        checked = CodeIDToken(token_claims.model_dump(exclude_none=True), {"alg": header.alg}, wanted, given)
        checked.validate(int(self._clock()), options.clock_skew_s)
        return token_claims.sub, claims

    def _signed(self, id_token: str) -> bytes:
        """The token's claims, its signature checked; an unknown key is looked for once at the provider."""
        registry = JWSRegistry(algorithms=SIGNED_WITH, strict_check_header=False)
        try:
            return jws.deserialize_compact(id_token, self._key_set(), registry=registry).payload
        except InvalidKeyIdError:
            return jws.deserialize_compact(id_token, self._key_set(anew=True), registry=registry).payload

    def _key_set(self, *, anew: bool = False) -> KeySet:
        address = self._known().jwks_uri
        with self._lock:
            if self._keys is None or anew:
                with _answering():
                    self._keys = signing_keys(_answer_of(address, self._options.timeout_s))
            return self._keys

    def _known(self) -> Metadata:
        """The provider's metadata (OpenID Connect Discovery 1.0, 4)."""
        with self._lock:
            if self._metadata is None:
                address = self._options.issuer.rstrip("/") + METADATA_PATH
                with _answering():
                    found = _answer_of(address, self._options.timeout_s)
                self._metadata = self._checked(found)
            return self._metadata

    def _checked(self, found: bytes) -> Metadata:
        try:
            metadata = parsed(Metadata, found)
        except ValueError as error:
            raise _misconfigured(f"its metadata are wrong in {error}") from error
        if metadata.issuer != self._options.issuer:
            raise _misconfigured(f"it calls itself {metadata.issuer}, [oidc] {self._options.issuer}")
        return metadata


def not_begun() -> AccessDenied:
    """For an answer that fits no sign-in of this browser."""
    return AccessDenied(
        "sign_in_not_begun",
        "This sign-in was not begun in this browser, or took too long.",
        "Begin it on the page itself.",
    )


def _refuse_code(error: str) -> NoReturn:
    raise AccessDenied(
        "code_refused",
        f"The provider does not stand for this sign-in ({error}).",
        "Sign in again; if it stays so, ask your administrator.",
    )


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what a provider does not give into an error of ours; its own words may name somebody."""
    try:
        yield
    except (requests.RequestException, ValueError) as error:
        raise TemporarilyUnavailable(
            "provider_unavailable",
            f"The provider that knows you does not answer ({type(error).__name__}).",
            "Try again in a moment; readers with a token can sign in with it.",
        ) from error


def _answer_of(address: str, timeout_s: float) -> bytes:
    with new_session() as session, session.get(address, timeout=timeout_s, stream=True) as answer:
        answer.raise_for_status()
        return _bounded(answer)


def _bounded(answer: requests.Response) -> bytes:
    """The body of an answer.

    Raises:
        ValueError: it has more bytes than any answer of a provider needs.
    """
    body = bytearray()
    for piece in answer.iter_content(65_536):
        body += piece
        if len(body) > LARGEST_ANSWER_BYTES:
            raise ValueError("the answer is too large")
    return bytes(body)


def _misconfigured(why: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        "provider_misconfigured", f"the OpenID provider cannot be used: {why}.", "Check [oidc]."
    )


def _not_proven(error: JoseError | ValueError) -> AccessDenied:
    return AccessDenied(
        "identity_not_proven",
        f"What the provider says of you cannot be believed ({_told(error)}).",
        "Sign in again; if it stays so, ask your administrator.",
    )


def _told(error: JoseError | ValueError) -> str:
    """The error's own code and the claim it is about; the claim's value is left out."""
    claim = getattr(error, "claim", "")
    return " ".join(filter(None, (getattr(error, "error", str(error)), claim)))
