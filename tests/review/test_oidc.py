"""Sign-in through an OpenID provider: provider and page as real processes, with and without a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, expect

from cvai.errors import AccessDenied, ConfigurationInvalid, TemporarilyUnavailable
from cvai.review.routes.sign_in import ATTEMPT_COOKIE
from cvai.review.sign_in.accounts import Role
from cvai.review.sign_in.claims import ReaderClaims, person_name
from cvai.review.sign_in.oidc import Attempt, OidcOptions, OpenIdProvider
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, SIGN_OUT_PATH
from tests.orthanc import free_port
from tests.process import Process, eventually
from tests.review.site import PATIENCE_MS, Site, running

pytestmark = pytest.mark.servers

ADA = {
    "sub": "a-1",
    "preferred_username": "hart",
    "family_name": "Hart",
    "given_name": "Ada",
    "realm_access": {"roles": ["staff", "cvai-reviewer"]},
}
CLAIMS = ReaderClaims("preferred_username", "roles", {role: frozenset({f"cvai-{role}"}) for role in Role})


class Provider:
    """The provider's process, and what it is told to do."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.issuer = f"http://localhost:{port}"
        self._process = Process([sys.executable, "-m", "tests.oidc_provider", str(port)], folder / "oidc.log")
        eventually(self._answers, "the provider to answer", 120)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.issuer}/keys", timeout=5).ok
        except requests.ConnectionError:
            return False

    def tell(self, person: dict[str, object], fault: str = "") -> None:
        """Who comes next, and what goes wrong with their token."""
        requests.post(f"{self.issuer}/test/person", json=person, timeout=60).raise_for_status()
        requests.post(f"{self.issuer}/test/fault", json=fault, timeout=60).raise_for_status()

    def stop(self) -> None:
        self._process.kill()


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    made = Provider(tmp_path_factory.mktemp("provider"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("page"), free_port())
    with made.config.open("a") as config:
        config.write(
            f'[oidc]\nissuer = "{provider.issuer}"\nclient_id = "{CLIENT_ID}"\n'
            f'client_secret = "{CLIENT_SECRET}"\nrole_claim = "realm_access.roles"\nclock_skew_s = 60\n'
        )
    with running(made):
        yield made


def with_roles(*roles: str, **claims: object) -> dict[str, object]:
    return {**ADA, "realm_access": {"roles": list(roles)}, **claims}


def came(page: Site, session: requests.Session | None = None) -> requests.Response:
    """What the page answers at the end of the way through the provider."""
    return (session or requests.Session()).get(f"{page.url}/sign-in/oidc", timeout=30)


def role_shown(page: Site, session: requests.Session) -> str:
    """The role the worklist names, empty where it sends to the sign-in."""
    answer = session.get(page.url, timeout=60)
    return (
        answer.text.split('<span class="small">(')[1].split(")")[0] if "<h1>Worklist" in answer.text else ""
    )


@pytest.mark.parametrize("role", list(Role))
def test_a_role_of_the_provider_is_the_role_on_the_page(page: Site, provider: Provider, role: Role) -> None:
    provider.tell(with_roles(f"cvai-{role}"))
    session = requests.Session()
    assert came(page, session).ok
    assert role_shown(page, session) == role
    assert session.get(f"{page.url}/agreement", timeout=60).ok == (role is Role.ADMIN)


@pytest.mark.parametrize("roles", [(), ("staff",), ("cvai-Reviewer",)], ids=["none", "another", "misspelt"])
def test_without_a_role_of_the_page_nobody_gets_in(
    page: Site, provider: Provider, roles: tuple[str, ...]
) -> None:
    provider.tell(with_roles(*roles))
    session = requests.Session()
    answer = came(page, session)
    assert answer.status_code == 403
    assert "role_not_given" in answer.text
    assert role_shown(page, session) == ""


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("wrong nonce", "nonce"),
        ("no nonce", "nonce"),
        ("expired", "exp"),
        ("from the future", "iat"),
        ("wrong audience", "aud"),
        ("audience of others too", "azp"),
        ("for another party", "azp"),
        ("wrong issuer", "iss"),
        ("wrong access token", "at_hash"),
        ("forged signature", "bad_signature"),
        ("unknown key", "invalid_key_id"),
        ("signed with the public key", "unsupported_algorithm"),
        ("not signed", "unsupported_algorithm"),
        ("no id token", ""),
    ],
)
def test_a_token_that_is_not_what_it_must_be_opens_nothing(
    page: Site, provider: Provider, fault: str, told: str
) -> None:
    provider.tell(ADA, fault)
    session = requests.Session()
    answer = came(page, session)
    assert answer.status_code == 403
    assert "identity_not_proven" in answer.text
    assert told in answer.text
    assert role_shown(page, session) == ""


@pytest.mark.parametrize("fault", ["expired within the skew", "clock ahead within the skew", "rolled key"])
def test_clocks_may_differ_a_little_and_keys_may_be_rolled(
    page: Site, provider: Provider, fault: str
) -> None:
    provider.tell(ADA, fault)
    session = requests.Session()
    assert came(page, session).ok
    assert role_shown(page, session) == "reviewer"


def test_who_the_provider_turns_away_is_told(page: Site, provider: Provider) -> None:
    provider.tell(ADA, "turned away")
    answer = came(page)
    assert (answer.status_code, "code_refused" in answer.text) == (403, True)


def test_a_provider_that_fails_is_told_and_the_next_try_succeeds(page: Site, provider: Provider) -> None:
    provider.tell(ADA, "token endpoint down")
    answer = came(page)
    assert (answer.status_code, "provider_unavailable" in answer.text) == (503, True)
    assert came(page).ok


def test_an_answer_that_fits_no_sign_in_of_this_browser_opens_nothing(page: Site, provider: Provider) -> None:
    provider.tell(ADA)
    begun = requests.get(f"{page.url}/sign-in/oidc", timeout=60, allow_redirects=False)
    back = requests.get(begun.headers["Location"], timeout=60, allow_redirects=False).headers["Location"]
    key = begun.cookies[ATTEMPT_COOKIE]
    for cookies in ({}, {ATTEMPT_COOKIE: ""}, {ATTEMPT_COOKIE: "another"}):
        stolen = requests.get(back, cookies=cookies, timeout=60)
        assert (stolen.status_code, "sign_in_not_begun" in stolen.text) == (403, True)
    own = requests.get(back, cookies={ATTEMPT_COOKIE: key}, timeout=60)
    assert own.ok
    replayed = requests.get(back, cookies={ATTEMPT_COOKIE: key}, timeout=60)
    assert (replayed.status_code, "code_refused" in replayed.text) == (403, True)


def test_a_role_that_is_taken_away_is_gone_with_the_next_sign_in(page: Site, provider: Provider) -> None:
    sessions = [requests.Session(), requests.Session()]
    for session, role in zip(sessions, ("cvai-admin", "cvai-viewer"), strict=True):
        provider.tell(with_roles(role, sub="b-2", preferred_username="moor"))
        assert came(page, session).ok
    assert [role_shown(page, session) for session in sessions] == ["viewer", "viewer"]


def test_a_short_name_belongs_to_whom_it_was_given_first(page: Site, provider: Provider) -> None:
    token = page.add_reader("lung", Role.ADMIN, "Lung^Ben")
    provider.tell({**ADA, "sub": "c-3", "preferred_username": "lung"})
    answer = came(page)
    assert (answer.status_code, "reader_name_taken" in answer.text) == (403, True)
    session = requests.Session()
    session.post(f"{page.url}/sign-in", data={"token": token}, timeout=60)
    assert role_shown(page, session) == "admin", "tokens go on opening the door"


def test_nobody_is_told_a_first_token_and_no_secret_is_logged(page: Site) -> None:
    assert "token" not in page.said
    audit = page.settings.audit_file.read_text()
    for secret in (CLIENT_SECRET, "Hart"):
        assert secret not in page.log
        assert secret not in audit


def test_a_reader_signs_in_and_out_through_the_provider(
    browser: Browser, page: Site, provider: Provider
) -> None:
    provider.tell(ADA)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    view = context.new_page()
    asked: list[str] = []
    view.on("request", lambda request: asked.append(request.url.split("?")[0]))
    try:
        view.goto(page.url)
        view.click("#elsewhere")
        expect(view.locator("header")).to_contain_text("Ada Hart", timeout=PATIENCE_MS)
        assert urlsplit(view.url).path == "/"
        assert {c["name"] for c in context.cookies()} == {"cvai_session"}
        view.wait_for_load_state()  # the button stands there before its script has run
        view.click("#sign-out")
        view.wait_for_selector("#token")
        assert f"{provider.issuer}{SIGN_OUT_PATH}" in asked
        view.goto(page.url)
        assert view.is_visible("#token")
    finally:
        context.close()


def options(issuer: str) -> OidcOptions:
    return OidcOptions(issuer, CLIENT_ID, "", "http://page/back", "http://page/", "openid", CLAIMS)


def test_a_provider_that_is_down_or_another_is_told_when_somebody_signs_in(provider: Provider) -> None:
    with pytest.raises(TemporarilyUnavailable) as down:
        OpenIdProvider(options(f"http://localhost:{free_port()}")).authorization_url(Attempt.new())
    assert down.value.code == "provider_unavailable"
    with pytest.raises(ConfigurationInvalid) as other:
        OpenIdProvider(options(f"{provider.issuer}/")).authorization_url(Attempt.new())
    assert other.value.code == "provider_misconfigured"


def test_what_goes_with_an_attempt_cannot_be_told_from_one_another() -> None:
    attempt = Attempt.new()
    derived = {attempt.key, attempt.state, attempt.nonce, attempt.code_verifier}
    assert len(derived) == 4
    assert Attempt(attempt.key).state == attempt.state
    assert len(attempt.code_verifier) >= 43, "RFC 7636, 4.1"


@pytest.mark.parametrize(
    ("told", "role"),
    [
        ("cvai-viewer", Role.VIEWER),
        (["cvai-viewer", "cvai-admin"], Role.ADMIN),
        ([3, None, "cvai-reviewer"], Role.REVIEWER),
    ],
)
def test_the_highest_role_counts(told: object, role: Role) -> None:
    assert CLAIMS.reader({**ADA, "roles": told}).role is role


@pytest.mark.parametrize(
    "claims",
    [
        {"preferred_username": "two words"},
        {"preferred_username": 7},
        {"preferred_username": ""},
        {"family_name": "", "given_name": "Ada"},
        {"family_name": "H" * 80},
    ],
)
def test_who_cannot_be_named_cannot_sign(claims: dict[str, object]) -> None:
    with pytest.raises(AccessDenied) as refused:
        CLAIMS.reader({**ADA, "roles": "cvai-viewer", **claims})
    assert refused.value.code == "name_not_given"


def test_a_name_cannot_break_out_of_its_component() -> None:
    assert person_name({"family_name": "Ha^rt=x\\y", "given_name": "A\nda"}) == "Ha rt x y^A da"
