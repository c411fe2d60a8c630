"""An OpenID provider that sends what no provider should: it is refused in words, never a server error."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey

from cvai.errors import AccessDenied, ConfigurationInvalid, CvaiError, TemporarilyUnavailable
from cvai.review.routes.sign_in import ATTEMPT_COOKIE
from cvai.review.sign_in.accounts import Identity, Role
from cvai.review.sign_in.claims import ReaderClaims
from cvai.review.sign_in.oidc import METADATA_PATH, Attempt, OidcOptions, OpenIdProvider
from cvai.review.sign_in.provider_answers import LARGEST_ANSWER_BYTES, signing_keys
from tests.review.light_page import light_page

CLIENT_ID = "cvai"
CLAIMS = ReaderClaims(
    "preferred_username", "realm_access.roles", {role: frozenset({f"cvai-{role}"}) for role in Role}
)
KEY = RSAKey.generate_key(2048, parameters={"kid": "1"})
DEEP = b"[" * 100_000 + b"]" * 100_000
ADA = {
    "preferred_username": "hart",
    "family_name": "Hart",
    "given_name": "Ada",
    "realm_access": {"roles": ["cvai-reviewer"]},
    "sub": "a-1",
}


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@dataclass
class Says:
    """What the provider answers at each path, byte by byte."""

    metadata: bytes = b""
    keys: bytes = b""
    token: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Provider(ThreadingHTTPServer):
    """Answers what it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.says = self.sound()

    def metadata(self, **odd: object) -> bytes:
        places = ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint")
        return as_json({"issuer": self.issuer, **{p: f"{self.issuer}/{p}" for p in places}, **odd})

    def sound(self) -> Says:
        return Says(self.metadata(), as_json({"keys": [KEY.as_dict(private=False)]}))

    def claims(self, attempt: Attempt, **odd: object) -> dict[str, Any]:
        now_s = int(time.time())
        times = {"iat": now_s, "exp": now_s + 300}
        return {"iss": self.issuer, "aud": CLIENT_ID, "nonce": attempt.nonce, **times, **ADA, **odd}

    def gives(self, payload: bytes, header: bytes = b'{"alg":"RS256","kid":"1"}', **more: object) -> None:
        self.says.token = as_json({"id_token": signed(header, payload), "access_token": "a", **more})

    def options(self, **more: Any) -> OidcOptions:
        return OidcOptions(
            self.issuer, CLIENT_ID, "", "http://page/back", "http://page/", "openid", CLAIMS, **more
        )

    def answers(self, attempt: Attempt) -> Identity | CvaiError:
        """What the page makes of it: somebody, or one of our own errors."""
        try:
            return OpenIdProvider(self.options()).identity(attempt, attempt.state, "code")
        except (AccessDenied, TemporarilyUnavailable, ConfigurationInvalid) as error:
            return error


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self.answer(self.server.says.metadata if self.path == METADATA_PATH else self.server.says.keys, 200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(self.server.says.token, self.server.says.status)

    def answer(self, body: bytes, status: int) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in self.server.says.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the page had enough

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def signed(header: bytes, payload: bytes) -> str:
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload)]
    private = KEY.get_op_key("sign")
    signature = private.sign(b".".join(parts), padding.PKCS1v15(), SHA256())
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def sound_again(provider: Provider) -> None:
    provider.says = provider.sound()


def require_a_reader(found: Identity) -> None:
    reader = found.reader
    assert 1 <= len(found.subject) <= 255
    assert reader.name
    assert reader.name.isprintable()
    assert 1 <= len(reader.person_name) <= 64
    assert reader.person_name.isprintable()
    assert reader.person_name.count("^") <= 1
    assert not set(reader.person_name) & set("\\=")


def test_a_sound_provider_is_believed(provider: Provider) -> None:
    attempt = Attempt.new()
    provider.gives(as_json(provider.claims(attempt)))
    found = provider.answers(attempt)
    assert isinstance(found, Identity), found
    assert (found.subject, found.reader.name, found.reader.role) == ("a-1", "hart", Role.REVIEWER)


CLAIM_NAMES = (
    *("iss", "sub", "aud", "exp", "iat", "nbf", "auth_time", "nonce", "azp", "at_hash", "acr", "amr"),
    *("preferred_username", "family_name", "given_name", "name", "realm_access", "extra"),
)
ODD = (
    *(
        None,
        True,
        False,
        0,
        7,
        -1,
        0.5,
        1e308,
        10**30,
        "",
        " ",
        "7",
        "\x00",
        "a\nb",
        "\u202e",
        "é",
        "x" * 30_000,
    ),
    *([], [None], [[]], [7, "a"], ["cvai"], [["cvai"]], {}, {"roles": None}, {"roles": 7}, {"roles": {}}),
    *({"roles": [[], {}, None, 7]}, {"roles": {"cvai-admin": True}}, {"roles": "cvai-"}, {"a": {"b": [{}]}}),
)


@pytest.mark.parametrize("name", CLAIM_NAMES)
def test_a_claim_of_another_kind_is_refused_or_does_not_matter(provider: Provider, name: str) -> None:
    for odd in ODD:
        attempt = Attempt.new()
        provider.gives(as_json(provider.claims(attempt, **{name: odd})))
        found = provider.answers(attempt)
        if isinstance(found, Identity):
            require_a_reader(found)
            assert found.reader.role is Role.REVIEWER
        else:
            assert isinstance(found, AccessDenied), (odd, found)


@pytest.mark.parametrize("name", CLAIM_NAMES)
def test_a_claim_that_is_missing_is_refused_or_does_not_matter(provider: Provider, name: str) -> None:
    attempt = Attempt.new()
    claims = provider.claims(attempt)
    claims.pop(name, None)
    provider.gives(as_json(claims))
    assert isinstance(provider.answers(attempt), Identity | AccessDenied)


@pytest.mark.parametrize(
    ("claim", "odd"),
    [
        ("sub", None),
        ("sub", 7),
        ("sub", ""),
        ("sub", ["a-1"]),
        ("sub", "s" * 256),
        ("exp", "9999999999"),
        ("exp", True),
        ("exp", 1e300),
        ("iat", None),
        ("iat", [1]),
        ("aud", {"cvai": 1}),
        ("aud", []),
        ("aud", [["cvai"]]),
        ("nonce", None),
        ("nonce", [7]),
        ("at_hash", 7),
        ("azp", ["cvai"]),
    ],
)
def test_what_proves_an_identity_has_its_own_kind(provider: Provider, claim: str, odd: object) -> None:
    attempt = Attempt.new()
    provider.gives(as_json(provider.claims(attempt, **{claim: odd})))
    found = provider.answers(attempt)
    assert isinstance(found, AccessDenied)
    assert found.code == "identity_not_proven"
    assert claim in found.message


@pytest.mark.parametrize(
    "told", [7, 0, True, {}, {"cvai-admin": 1}, None, [], [7], [["cvai-admin"]], "cvai-ADMIN"]
)
def test_what_is_no_text_gives_no_role(provider: Provider, told: object) -> None:
    attempt = Attempt.new()
    provider.gives(as_json(provider.claims(attempt, realm_access={"roles": told})))
    found = provider.answers(attempt)
    assert isinstance(found, AccessDenied)
    assert found.code == "role_not_given"


RAW_JSON = (
    *(
        b"",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b"\x00",
        b"{}" * 2,
        DEEP,
        b"<html>busy</html>",
    ),
    *(b'{"sub":"\\ud800"}', b'{"sub":' + b"9" * 10_000 + b"}", b'{"exp":NaN}', b'{"exp":1e400}', b"{}"),
)


@pytest.mark.parametrize("payload", RAW_JSON, ids=lambda raw: repr(raw[:16]))
def test_claims_that_are_no_claims_are_refused(provider: Provider, payload: bytes) -> None:
    provider.gives(payload)
    found = provider.answers(Attempt.new())
    assert isinstance(found, AccessDenied)
    assert found.code == "identity_not_proven"


@pytest.mark.parametrize("odd", [rb"\ud800", rb"\udfff\ud800"])
@pytest.mark.parametrize("name", ["preferred_username", "family_name", "extra"])
def test_half_a_character_is_refused(provider: Provider, name: str, odd: bytes) -> None:
    attempt = Attempt.new()
    claims = as_json(provider.claims(attempt, **{name: "MARK"})).replace(b"MARK", odd)
    provider.gives(claims)
    assert isinstance(provider.answers(attempt), AccessDenied)


@pytest.mark.parametrize(
    "header",
    [
        *(raw for raw in RAW_JSON),
        b'{"alg":7}',
        b'{"alg":null}',
        b'{"alg":["RS256"]}',
        b'{"alg":"RS256","kid":7}',
        b'{"alg":"RS256","kid":["1"]}',
        b'{"alg":"RS256","kid":{}}',
        b'{"alg":"none"}',
        b'{"alg":"HS256","kid":"1"}',
        b'{"alg":"ES256","kid":"1"}',
        b'{"alg":"RS257","kid":"1"}',
        b'{"alg":"RS256","kid":"1","crit":["exp"],"exp":1}',
        b'{"alg":"RS256","kid":"1","b64":false,"crit":["b64"]}',
        b'{"alg":"RS256","kid":"1","zip":7,"typ":[]}x',
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_a_header_that_is_none_is_refused(provider: Provider, header: bytes) -> None:
    attempt = Attempt.new()
    provider.gives(as_json(provider.claims(attempt)), header)
    found = provider.answers(attempt)
    assert isinstance(found, AccessDenied)
    assert found.code == "identity_not_proven"


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", "é.é.é", "=.=.=", "\x00", "a" * 60_000, ".".join("x" * 50_000)]
)
def test_a_token_that_is_none_is_refused(provider: Provider, token: str) -> None:
    provider.says.token = as_json({"id_token": token})
    found = provider.answers(Attempt.new())
    assert isinstance(found, AccessDenied)
    assert found.code == "identity_not_proven"


@pytest.mark.parametrize("status", [200, 201, 204, 302, 400, 401, 404, 418, 429, 500, 503])
@pytest.mark.parametrize(
    "answer",
    [
        *RAW_JSON,
        as_json({"id_token": 7}),
        as_json({"id_token": None}),
        as_json({"id_token": ["a.b.c"]}),
        as_json({"id_token": "a.b.c", "access_token": {}, "expires_in": {}}),
        as_json({"error": 7}),
        as_json({"error": None}),
        as_json({"error": "<script>" * 1000}),
        as_json({"error": "invalid_grant", "error_description": ["Hart^Ada"]}),
    ],
    ids=lambda raw: repr(raw[:24]) if isinstance(raw, bytes) else None,
)
def test_a_token_endpoint_may_answer_anything(provider: Provider, answer: bytes, status: int) -> None:
    provider.says.token, provider.says.status = answer, status
    provider.says.headers = {"Location": f"{provider.issuer}/elsewhere"} if status == 302 else {}
    found = provider.answers(Attempt.new())
    assert isinstance(found, AccessDenied | TemporarilyUnavailable)
    assert "script" not in found.message
    assert "Ada" not in found.message


@pytest.mark.parametrize("place", ["metadata", "keys", "token"])
def test_an_answer_without_end_is_not_read_to_its_end(provider: Provider, place: str) -> None:
    attempt = Attempt.new()
    provider.gives(as_json(provider.claims(attempt)))
    setattr(provider.says, place, b" " * (LARGEST_ANSWER_BYTES + 1) + b"{}")
    found = provider.answers(attempt)
    assert isinstance(found, TemporarilyUnavailable)
    assert found.code == "provider_unavailable"


@pytest.mark.parametrize("raw", RAW_JSON, ids=lambda raw: repr(raw[:16]))
@pytest.mark.parametrize("place", ["metadata", "keys"])
def test_metadata_and_keys_may_be_anything(provider: Provider, place: str, raw: bytes) -> None:
    attempt = Attempt.new()
    provider.gives(as_json(provider.claims(attempt)))
    setattr(provider.says, place, raw)
    found = provider.answers(attempt)
    assert isinstance(found, TemporarilyUnavailable | ConfigurationInvalid)


@pytest.mark.parametrize("member", ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "odd", [None, 7, [], {}, "", "javascript:alert(1)", "file:///etc/passwd", "http://a b"]
)
def test_metadata_that_name_no_address_are_a_wrong_configuration(
    provider: Provider, member: str, odd: object
) -> None:
    provider.says.metadata = provider.metadata(**{member: odd})
    found = provider.answers(Attempt.new())
    assert isinstance(found, ConfigurationInvalid)
    assert found.code == "provider_misconfigured"


@pytest.mark.parametrize("odd", [None, 7, [], {}, "", "javascript:alert(1)", "//evil.example", ["a"]])
def test_what_nobody_needs_of_metadata_is_left_out_where_it_is_odd(provider: Provider, odd: object) -> None:
    attempt = Attempt.new()
    provider.says.metadata = provider.metadata(
        end_session_endpoint=odd, token_endpoint_auth_methods_supported=odd
    )
    provider.gives(as_json(provider.claims(attempt)))
    assert isinstance(provider.answers(attempt), Identity)
    assert OpenIdProvider(provider.options()).sign_out_url() is None


PUBLIC = KEY.as_dict(private=False)


@pytest.mark.parametrize(
    "key",
    [
        *(None, 7, "key", [], {}, {"kty": 7}, {"kty": ["RSA"]}, {"kty": "RSA"}, {"kty": "PQ"}, {"kty": "EC"}),
        {**PUBLIC, "n": 7},
        {**PUBLIC, "n": "!"},
        {**PUBLIC, "n": ""},
        {**PUBLIC, "n": "A" * 100_000},
        {**PUBLIC, "e": "AA"},
        {**PUBLIC, "e": None},
        {**PUBLIC, "kid": 7},
        {**PUBLIC, "kid": []},
        {**PUBLIC, "use": "enc"},
        {**PUBLIC, "alg": {}},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "1"},
        {"kty": "EC", "crv": "P-257", "x": "AA", "y": "AA", "kid": "1"},
        {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA", "kid": "1"},
        OctKey.generate_key(256, parameters={"kid": "1"}).as_dict(private=True),
        {**PUBLIC, "n": PUBLIC["n"][:171]},
        {**PUBLIC, "n": "A" * 341 + "Q"},
    ],
)
def test_a_key_that_is_none_is_left_out_and_the_others_count(provider: Provider, key: object) -> None:
    attempt = Attempt.new()
    provider.gives(as_json(provider.claims(attempt)))
    provider.says.keys = as_json({"keys": [key]})
    assert isinstance(provider.answers(attempt), AccessDenied | TemporarilyUnavailable)
    provider.says.keys = as_json({"keys": [key, PUBLIC, ECKey.generate_key("P-256").as_dict(private=False)]})
    assert isinstance(provider.answers(attempt), Identity)


def test_what_is_private_of_a_key_is_not_taken() -> None:
    (key,) = signing_keys(as_json({"keys": [KEY.as_dict(private=True)]})).keys
    assert not key.is_private


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.slow
@given(odd=st.dictionaries(st.sampled_from([*CLAIM_NAMES, "realm_access"]), ANY_JSON, min_size=1, max_size=4))
@settings(max_examples=150)
def test_no_claims_are_more_than_refused(provider: Provider, odd: dict[str, object]) -> None:
    attempt = Attempt.new()
    provider.gives(as_json(provider.claims(attempt, **odd)))
    found = provider.answers(attempt)
    assert isinstance(found, Identity | AccessDenied)
    if isinstance(found, Identity):
        require_a_reader(found)


@pytest.mark.parametrize(
    "odd",
    [
        {"sub": 7},
        {"realm_access": 7},
        {"realm_access": {"roles": 7}},
        {"preferred_username": []},
        {"exp": {}},
    ],
)
def test_the_page_says_in_words_what_is_wrong(
    tmp_path: Path, provider: Provider, odd: dict[str, object]
) -> None:
    with light_page(tmp_path, provider=OpenIdProvider(provider.options())) as page:
        attempt = Attempt.new()
        provider.gives(as_json(provider.claims(attempt, **odd)))
        for state, code in ((attempt.state, "code"), ("é", "code"), (attempt.state, "\x00é"), ("\x00", "")):
            answer = requests.get(
                f"{page.url}/sign-in/callback",
                params={"state": state, "code": code},
                cookies={ATTEMPT_COOKIE: attempt.key},
                timeout=30,
            )
            assert answer.status_code == 403, answer.text
        provider.says.token, provider.says.status = DEEP, 200
        provider.gives(as_json(provider.claims(attempt)))
        session = requests.Session()
        session.cookies.set(ATTEMPT_COOKIE, attempt.key)
        for end in (7, "javascript:alert(1)"):
            provider.says.metadata = provider.metadata(end_session_endpoint=end)
            back = f"{page.url}/sign-in/callback"
            assert session.get(back, params={"state": attempt.state, "code": "code"}, timeout=30).ok
            text = session.get(page.url, timeout=30).text
            word = {"X-CSRF-Token": text.split('name="csrf" content="')[1].split('"')[0]}
            assert session.post(f"{page.url}/sign-out", headers=word, timeout=30).json()["then"]
            session.cookies.set(ATTEMPT_COOKIE, attempt.key)
