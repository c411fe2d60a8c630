"""What an OpenID provider sends, as checked values: nothing of it is used before it is one of these.

The JSON is parsed by pydantic, which bounds its depth, accepts no lone surrogates, and converts no types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from joserfc.util import urlsafe_b64decode
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

LARGEST_ANSWER_BYTES = 1_000_000
"""Metadata, keys and tokens have a few kB."""

LARGEST_ID_TOKEN = 65_536
MOST_KEYS = 100
LEAST_MODULUS_BITS = 2048  # RFC 7518, 3.3

Claims: TypeAlias = Mapping[str, JsonValue]
M = TypeVar("M", bound=BaseModel)


def _or_none(value: object, check: ValidatorFunctionWrapHandler) -> Any:
    """Drops optional values that are invalid."""
    try:
        return check(value)
    except ValidationError:
        return None


def _long_enough(modulus: str) -> str:
    if int.from_bytes(urlsafe_b64decode(modulus.encode())).bit_length() < LEAST_MODULUS_BITS:
        raise ValueError("a short key")
    return modulus


Dispensable = WrapValidator(_or_none)
Address = Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=2000)]
Base64Url = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=3000)]
Seconds = Annotated[int | float, Field(ge=0, le=1e11, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)


class Metadata(_Answer):
    """The provider's metadata (OpenID Connect Discovery 1.0, 3), as far as they are used."""

    issuer: Text
    authorization_endpoint: Address
    token_endpoint: Address
    jwks_uri: Address
    end_session_endpoint: Annotated[Address | None, Dispensable] = None
    token_endpoint_auth_methods_supported: Annotated[tuple[str, ...] | None, Dispensable] = None


class TokenAnswer(_Answer):
    """Answer of the token endpoint (OpenID Connect Core 1.0, 3.1.3.3)."""

    id_token: Annotated[str, Field(max_length=LARGEST_ID_TOKEN)] = ""
    access_token: Annotated[str, Field(max_length=LARGEST_ID_TOKEN)] | None = None


class TokenError(_Answer):
    """Why the token endpoint gives no token (RFC 6749, 5.2)."""

    error: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,50}$")]


class IdTokenHeader(_Answer):
    """What an ID token says of its signature (RFC 7515, 4); no critical extension is understood."""

    alg: Text
    kid: Text | None = None
    crit: None = None


class IdTokenClaims(_Answer):
    """The claims that decide whether an ID token is accepted (OpenID Connect Core 1.0, 2)."""

    iss: Text
    sub: Annotated[str, Field(min_length=1, max_length=255)]
    aud: Text | Annotated[list[Text], Field(min_length=1, max_length=100)]
    exp: Seconds
    iat: Seconds
    nbf: Seconds | None = None
    auth_time: Seconds | None = None
    nonce: Text | None = None
    azp: Text | None = None
    at_hash: Text | None = None


class _SigningKey(_Answer):
    kid: Text | None = None
    alg: Text | None = None
    use: Literal["sig"] | None = None


class _RsaKey(_SigningKey):
    kty: Literal["RSA"]
    n: Annotated[Base64Url, AfterValidator(_long_enough)]
    e: Annotated[Base64Url, Field(max_length=12)]


class _EllipticKey(_SigningKey):
    kty: Literal["EC"]
    crv: Literal["P-256", "P-384", "P-521"]
    x: Base64Url
    y: Base64Url


class _Keys(_Answer):
    keys: Annotated[list[JsonValue], Field(max_length=MOST_KEYS)]


_OBJECT: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])
_KEY: TypeAdapter[_RsaKey | _EllipticKey] = TypeAdapter(
    Annotated[_RsaKey | _EllipticKey, Field(discriminator="kty")]
)


def parsed(kind: type[M], data: bytes) -> M:
    """The JSON of an answer as a value of ``kind``.

    Raises:
        ValueError: it is something else; the message names members and no values.
    """
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise ValueError(_wrong(error)) from error


def signing_keys(data: bytes) -> KeySet:
    """The keys of a JWK Set (RFC 7517) that signatures are accepted of; others of it are left out.

    Raises:
        ValueError: it is no JWK Set, or holds no such key.
    """
    keys: list[Key] = list(_signing_keys(parsed(_Keys, data)))
    if not keys:
        raise ValueError("no signing key")
    return KeySet(keys)


def _signing_keys(found: _Keys) -> Iterator[RSAKey | ECKey]:
    for key_value in found.keys:
        try:
            key = _KEY.validate_python(key_value).model_dump(exclude_none=True)
            yield RSAKey.import_key(key) if key["kty"] == "RSA" else ECKey.import_key(key)
        except (ValueError, JoseError):
            continue


def id_token_header(id_token: str) -> IdTokenHeader:
    """The header of an ID token, before its signature is checked.

    Raises:
        ValueError: it is no signed token.
    """
    if id_token.count(".") != 2:
        raise ValueError("no ID token")
    return parsed(IdTokenHeader, urlsafe_b64decode(id_token.partition(".")[0].encode()))


def id_token_claims(payload: bytes) -> tuple[IdTokenClaims, Claims]:
    """The claims that decide about an ID token, and all of its claims.

    Raises:
        ValueError: one of the former is missing or not what it should be; the message names it.
    """
    try:
        return parsed(IdTokenClaims, payload), _OBJECT.validate_json(payload)
    except ValidationError as error:
        raise ValueError(_wrong(error)) from error


def _wrong(error: ValidationError) -> str:
    """Which members are wrong; their values may name somebody."""
    parts = error.errors(include_url=False, include_input=False, include_context=False)
    return ", ".join(sorted({str(part["loc"][0]) if part["loc"] else part["type"] for part in parts}))
