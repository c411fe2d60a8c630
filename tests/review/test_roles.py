"""Every route is asked by everybody: nobody, and a reader of each role. A route without a rule here fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
import requests
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount

from cvai.review.app import create_app
from cvai.review.page import Page, PageOptions
from cvai.review.sign_in.accounts import Role
from tests.review.site import Site
from tests.review.test_requests import words

ANYBODY, VIEWER, REVIEWER, ADMIN = None, Role.VIEWER, Role.REVIEWER, Role.ADMIN
STUDY = "/api/studies/{job_id}"
RULES: dict[tuple[str, str], Role | None] = {
    ("GET", "/sign-in"): ANYBODY,
    ("POST", "/sign-in"): ANYBODY,
    ("GET", "/sign-in/oidc"): ANYBODY,
    ("GET", "/sign-in/callback"): ANYBODY,
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/languages/{language}"): ANYBODY,
    ("POST", "/sign-out"): VIEWER,
    ("GET", "/"): VIEWER,
    ("GET", "/worklist"): VIEWER,
    ("POST", "/worklist"): VIEWER,
    ("POST", "/worklist.csv"): VIEWER,
    ("GET", "/studies/{job_id}"): VIEWER,
    ("GET", "/studies/{job_id}/report.pdf"): VIEWER,
    ("GET", "/studies/{job_id}/compare"): VIEWER,
    ("GET", STUDY): VIEWER,
    ("GET", f"{STUDY}/priors"): VIEWER,
    ("GET", f"{STUDY}/shared"): VIEWER,
    ("GET", f"{STUDY}/waiting"): VIEWER,
    ("GET", f"{STUDY}/pixels/{{z}}"): VIEWER,
    ("GET", f"{STUDY}/crossings/{{index}}"): VIEWER,
    ("GET", f"{STUDY}/labels"): VIEWER,
    ("GET", f"{STUDY}/loops/{{view}}/frames/{{part}}"): VIEWER,
    ("GET", f"{STUDY}/loops/{{view}}/labels"): VIEWER,
    ("GET", f"{STUDY}/left-out/{{uid}}"): VIEWER,
    ("GET", f"{STUDY}/measured"): VIEWER,
    ("PUT", f"{STUDY}/draft"): REVIEWER,
    ("DELETE", f"{STUDY}/draft"): REVIEWER,
    ("POST", f"{STUDY}/preview"): REVIEWER,
    ("POST", f"{STUDY}/carried"): REVIEWER,
    ("PUT", f"{STUDY}/impression"): REVIEWER,
    ("PUT", f"{STUDY}/entered"): REVIEWER,
    ("POST", f"{STUDY}/decision"): REVIEWER,
    ("POST", f"{STUDY}/look"): REVIEWER,
    ("POST", f"{STUDY}/series"): REVIEWER,
    ("POST", f"{STUDY}/by-hand"): REVIEWER,
    ("GET", "/agreement"): ADMIN,
    ("GET", "/admin"): ADMIN,
    ("POST", "/api/admin/readers"): ADMIN,
    ("POST", "/api/admin/readers/{name}/token"): ADMIN,
    ("DELETE", "/api/admin/readers/{name}"): ADMIN,
    ("POST", "/api/admin/jobs/{job_id}/retry"): ADMIN,
    ("POST", "/api/admin/uploads"): ADMIN,
    ("PUT", "/api/admin/uploads/{upload}/files/{number}"): ADMIN,
    ("POST", "/api/admin/uploads/{upload}/deliver"): ADMIN,
    ("DELETE", "/api/admin/uploads/{upload}"): ADMIN,
}
"""The least role that each route asks for; files under /static are anybody's."""

BODIES: dict[str, object] = {
    f"{STUDY}/look": {"verdict": "looked at"},
    f"{STUDY}/series": {"series_uid": "1.2.3"},
    "/worklist": {"search": "doe"},
    "/worklist.csv": {"search": "doe"},
    f"{STUDY}/draft": {"ed": 0, "es": 1, "frames": []},
    f"{STUDY}/preview": {"ed": 0, "es": 1, "frames": []},
    f"{STUDY}/carried": {"changes": {"ed": 0, "es": 1, "frames": []}, "t": 0, "z": 0, "along": "phases"},
    f"{STUDY}/entered": {"after": 0, "height_m": 1.75},
    "/api/admin/readers": {"name": "nobody", "person": "No^Body", "role": "viewer"},
    f"{STUDY}/impression": {"after": 0, "text": "No infarct."},
    f"{STUDY}/decision": {"after": 0, "changes": {"ed": 0, "es": 1, "frames": []}},
}
NO_STUDY = {
    "name": "nobody",
    "language": "none",
    "upload": "none",
    "number": "0",
    "job_id": "1.2.3-none",
    "z": "0",
    "index": "0",
    "view": "a4c",
    "part": "0",
    "uid": "1.2.3",
}
"""A study that is not here: who may ask is told that, and nothing changes."""


def app_of() -> FastAPI:
    """The application, with nothing behind it."""
    nothing = cast("Any", None)
    page = Page(
        options=PageOptions("127.0.0.1", 1),
        **dict.fromkeys(
            (
                *("ledger", "accounts", "worklist", "cines", "decisions", "drafts", "statements"),
                *("results_folder", "record"),
            ),
            nothing,
        ),
        service_routes={"/healthz": lambda: (200, "", "text/plain")},
    )
    return cast("FastAPI", cast("Any", create_app(page))._app)


def routes_of_the_app() -> set[tuple[str, str]]:
    """Method and path of everything the application answers."""
    app = app_of()
    assert [route.path for route in app.routes if isinstance(route, Mount)] == ["/static"]
    return {(method, route.path) for route in every_route(app.routes) for method in route.methods - {"HEAD"}}


def every_route(routes: list[Any]) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif not isinstance(route, Mount):
            yield from every_route(route.original_router.routes)


@pytest.fixture(scope="module")
def sessions(site: Site, hart: str, guest: str) -> dict[Role | None, requests.Session]:
    """Nobody, and one reader of each role."""
    made: dict[Role | None, requests.Session] = {ANYBODY: requests.Session()}
    tokens = {VIEWER: guest, REVIEWER: hart, ADMIN: site.add_reader("roles-admin", Role.ADMIN, "Roles^Admin")}
    for role, token in tokens.items():
        made[role] = requests.Session()
        made[role].post(f"{site.url}/sign-in", data={"token": token}, timeout=60).raise_for_status()
        made[role].headers.update(words(site, made[role]))
    return made


def test_every_route_has_a_rule() -> None:
    assert routes_of_the_app() == set(RULES)


@pytest.mark.parametrize("who", [ANYBODY, *Role], ids=lambda who: who or "nobody")
@pytest.mark.parametrize(("method", "path"), sorted(RULES), ids=lambda part: part)
def test_a_route_answers_those_who_have_its_role_and_nobody_else(
    site: Site, sessions: dict[Role | None, requests.Session], method: str, path: str, who: Role | None
) -> None:
    needed = RULES[method, path]
    if path == "/sign-out" and who is not ANYBODY:
        return  # ends the session; tests/review/test_page.py signs out
    answer = sessions[who].request(
        method,
        f"{site.url}{path.format(**NO_STUDY)}",
        json=BODIES.get(path, {}),
        timeout=30,
        allow_redirects=False,
    )
    asked_to_sign_in = answer.status_code == 401 or answer.headers.get("Location", "").startswith("/sign-in?")
    if needed is ANYBODY:
        assert not asked_to_sign_in or path == "/sign-in"
    elif who is ANYBODY:
        assert asked_to_sign_in
    elif who.includes(needed):
        assert answer.status_code in (200, 404)
        unknown = ("study_unknown", "reader_unknown", "upload_unknown")
        assert any(code in answer.text for code in unknown) or answer.status_code == 200
    else:
        assert answer.status_code == 403
        assert "role_missing" in answer.text
