"""What an ID token says about a person, as the page knows its readers: short name, role, person name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from cvai.errors import AccessDenied
from cvai.review.sign_in.accounts import Reader, Role
from cvai.review.sign_in.provider_answers import Claims

SHORT_NAME = re.compile(r"[\w.@+-]{1,64}")
NOT_IN_A_PERSON_NAME = frozenset("\\^=")
"""PS3.5 6.2: what separates the parts of a person name, and its values."""

LONGEST_PERSON_NAME = 64


@dataclass(frozen=True, slots=True)
class ReaderClaims:
    """Which claims tell who somebody is and what they may do.

    Args:
        name: claim of the short name.
        role: claim of the roles, one or a list; points lead into objects, as in ``realm_access.roles``.
        values: the values of that claim that give each role.
    """

    name: str
    role: str
    values: Mapping[Role, frozenset[str]]

    def reader(self, claims: Claims) -> Reader:
        """The reader these claims describe.

        Raises:
            AccessDenied: ``role_not_given`` or ``name_not_given``.
        """
        return Reader(self._short_name(claims), self._role(claims), person_name(claims))

    def _short_name(self, claims: Claims) -> str:
        name = claims.get(self.name)
        if not isinstance(name, str) or not SHORT_NAME.fullmatch(name):
            raise _no_name(f"{self.name} as a short name without blanks")
        return name

    def _role(self, claims: Claims) -> Role:
        """The highest of the roles that are given."""
        given = _texts(claim_at(claims, self.role))
        roles = [role for role in Role if given & self.values.get(role, frozenset())]
        if not roles:
            raise AccessDenied(
                "role_not_given",
                "You are known, but your account gives you no role on this page.",
                f"Ask your administrator: the claim {self.role} must hold one of the roles of [oidc].",
            )
        return roles[-1]


def _texts(value: JsonValue) -> frozenset[str]:
    """A text, or the texts of a list; nothing else gives a role."""
    listed = value if isinstance(value, list) else [value]
    return frozenset(value for value in listed if isinstance(value, str))


def claim_at(claims: Claims, path: str) -> JsonValue:
    """The claim of this name, or what points in it lead to; None where there is none.

    >>> claim_at({"realm_access": {"roles": ["reader"]}}, "realm_access.roles")
    ['reader']
    >>> claim_at({"https://example.org/roles": "reader"}, "https://example.org/roles")
    'reader'
    >>> claim_at({"roles": "reader"}, "roles.first") is None
    True
    """
    if path in claims:
        return claims[path]
    found: JsonValue = dict(claims)
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def person_name(claims: Claims) -> str:
    """The DICOM person name; family and given name where both are stated, else the name as a whole.

    >>> person_name({"family_name": "Hart", "given_name": "Ada", "name": "Dr Ada Hart"})
    'Hart^Ada'
    >>> person_name({"name": "Dr Ada Hart"})
    'Dr Ada Hart'

    Raises:
        AccessDenied: ``name_not_given``.
    """
    family, given, whole = (_name_part(claims.get(n)) for n in ("family_name", "given_name", "name"))
    found = f"{family}^{given}" if family and given else whole or family
    if not found or len(found) > LONGEST_PERSON_NAME:
        raise _no_name("family_name and given_name, or name")
    return found


def _name_part(value: JsonValue) -> str:
    """The text without separators and without what no one sees, such as control characters."""
    if not isinstance(value, str):
        return ""
    seen = (c if c.isprintable() and c not in NOT_IN_A_PERSON_NAME else " " for c in value)
    return " ".join("".join(seen).split())


def _no_name(wanted: str) -> AccessDenied:
    return AccessDenied(
        "name_not_given",
        "Your account does not tell the name you would sign with.",
        f"Ask your administrator: the ID token must hold {wanted}.",
    )
