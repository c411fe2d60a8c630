"""A small OpenID provider as a process of its own: ``python -m tests.oidc_provider PORT``.

Written from OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749 and RFC 7636. Everybody who comes is
signed in at once as the person that was POSTed to ``/test/person``; what is POSTed to ``/test/fault`` goes
wrong with the next token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "cvai-page", "loopback-only"
SIGN_OUT_PATH = "/sign-out"


class Provider(ThreadingHTTPServer):
    """The provider's state: its key, codes that were given out, who comes, and what goes wrong."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.issuer = f"http://localhost:{self.server_port}"
        self.key = new_key()
        self.codes: dict[str, dict[str, str]] = {}
        self.person: dict[str, Any] = {}
        self.fault = ""

    def id_token(self, asked: dict[str, str]) -> str:
        now_s = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now_s,
            "exp": now_s + 300,
            "nonce": asked["nonce"],
            **self.person,
        }
        fault, self.fault = self.fault, ""
        claims |= {
            "wrong nonce": {"nonce": "another"},
            "no nonce": {"nonce": None},
            "expired": {"iat": now_s - 600, "exp": now_s - 300},
            "expired within the skew": {"iat": now_s - 600, "exp": now_s - 20},
            "from the future": {"iat": now_s + 600, "exp": now_s + 900},
            "clock ahead within the skew": {"iat": now_s + 20},
            "wrong audience": {"aud": "another"},
            "audience of others too": {"aud": ["another", CLIENT_ID]},
            "for another party": {"aud": [CLIENT_ID], "azp": "another"},
            "wrong issuer": {"iss": "http://localhost/another"},
            "wrong access token": {"at_hash": "AAAA"},
        }.get(fault, {})
        claims = {name: value for name, value in claims.items() if value is not None}
        return self.signed(claims, fault)

    def signed(self, claims: dict[str, Any], fault: str) -> str:
        header = {"alg": "RS256", "kid": self.key.kid}
        match fault:
            case "forged signature":
                return jwt.encode({**header}, claims, new_key())
            case "unknown key":
                other = new_key()
                return jwt.encode({**header, "kid": other.kid}, claims, other)
            case "signed with the public key":
                text = f"{encoded({**header, 'alg': 'HS256'})}.{encoded(claims)}"
                digest = hmac.digest(self.key.as_pem(private=False), text.encode(), "sha256")
                return f"{text}.{without_padding(digest)}"
            case "not signed":
                return f"{encoded({**header, 'alg': 'none'})}.{encoded(claims)}."
            case "rolled key":
                self.key = new_key()
                return jwt.encode({**header, "kid": self.key.kid}, claims, self.key)
        return jwt.encode(header, claims, self.key)


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match url.path:
            case "/.well-known/openid-configuration":
                self.answer(self.metadata())
            case "/keys":
                self.answer({"keys": [self.server.key.as_dict(private=False)]})
            case "/authorize":
                self.authorize(query)
            case "/sign-out":
                assert query["client_id"] == CLIENT_ID
                self.send_to(query["post_logout_redirect_uri"])
            case _:
                self.answer({}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match self.path:
            case "/test/person":
                self.server.person = json.loads(body)
                self.answer({})
            case "/test/fault":
                self.server.fault = json.loads(body)
                self.answer({})
            case "/token":
                self.token({name: values[0] for name, values in parse_qs(body.decode()).items()})

    def metadata(self) -> dict[str, Any]:
        issuer = self.server.issuer
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
            "end_session_endpoint": f"{issuer}{SIGN_OUT_PATH}",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorize(self, query: dict[str, str]) -> None:
        """OpenID Connect Core 1.0, 3.1.2; RFC 7636, 4.3."""
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        if self.server.fault == "turned away":
            self.server.fault = ""
            self.send_to(query["redirect_uri"], error="access_denied", state=query["state"])
            return
        code = secrets.token_urlsafe(16)
        self.server.codes[code] = query
        self.send_to(query["redirect_uri"], code=code, state=query["state"])

    def token(self, form: dict[str, str]) -> None:
        """OpenID Connect Core 1.0, 3.1.3; RFC 7636, 4.6; a code is good once."""
        if self.server.fault == "token endpoint down":
            self.server.fault = ""
            self.answer({}, 503)
            return
        asked = self.server.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        good = (
            asked is not None
            and self.headers.get("Authorization") == basic(CLIENT_ID, CLIENT_SECRET)
            and form["grant_type"] == "authorization_code"
            and form["redirect_uri"] == asked["redirect_uri"]
            and asked["code_challenge"] == without_padding(digest)
        )
        if not good or asked is None:
            self.answer({"error": "invalid_grant"}, 400)
            return
        token = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 300}
        if self.server.fault != "no id token":
            token["id_token"] = self.server.id_token(asked)
        self.server.fault = ""
        self.answer(token)

    def send_to(self, address: str, **query: str) -> None:
        self.send_response(302)
        self.send_header("Location", f"{address}?{urlencode(query)}" if query else address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def new_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


def encoded(part: dict[str, Any]) -> str:
    return without_padding(json.dumps(part).encode())


def without_padding(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


if __name__ == "__main__":
    Provider(int(sys.argv[1])).serve_forever()
