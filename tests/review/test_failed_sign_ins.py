"""Sign-ins that fail: braked by address, few messages, and nobody else is kept out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cvai.audit.messages import Act, AuditEvent
from cvai.review import app
from cvai.review.sign_in.accounts import Role
from cvai.review.sign_in.brake import MOST_ADDRESSES, OF_TOKENS, OTHERS, SignInBrake
from tests.process import eventually
from tests.review.light_page import LightPage, light_page

FREE_TRIES, NEXT_TRY_EVERY_S = OF_TOKENS.at_once, OF_TOKENS.next_every_s


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def brake(clock: Clock) -> SignInBrake:
    return SignInBrake(OF_TOKENS, clock)


def exhaust(brake: SignInBrake, address: str) -> None:
    for _ in range(FREE_TRIES):
        assert brake.failed(address) == 0


def test_after_some_failures_one_more_is_answered_every_few_seconds(brake: SignInBrake, clock: Clock) -> None:
    exhaust(brake, "192.0.2.7")
    for _ in range(1000):
        assert brake.failed("192.0.2.7") == pytest.approx(NEXT_TRY_EVERY_S), "more tries make it no longer"
    clock.now_s += NEXT_TRY_EVERY_S
    assert brake.failed("192.0.2.7") == 0
    assert brake.wait_s("192.0.2.7") == pytest.approx(NEXT_TRY_EVERY_S)


def test_failures_are_forgotten_after_a_while(brake: SignInBrake, clock: Clock) -> None:
    exhaust(brake, "192.0.2.7")
    clock.now_s += FREE_TRIES * NEXT_TRY_EVERY_S
    exhaust(brake, "192.0.2.7")


def test_an_address_is_not_braked_for_another(brake: SignInBrake) -> None:
    exhaust(brake, "192.0.2.7")
    assert brake.wait_s("192.0.2.7") > 0
    assert brake.wait_s("192.0.2.8") == 0


def test_addresses_of_one_ipv6_network_are_one(brake: SignInBrake) -> None:
    for n in range(FREE_TRIES):
        brake.failed(f"2001:db8::{n}:1")
    assert brake.wait_s("2001:db8::ffff:1") > 0
    assert brake.wait_s("2001:db8:0:1::1") == 0
    exhaust(brake, "::ffff:192.0.2.7")
    assert brake.wait_s("192.0.2.7") > 0, "the same IPv4 address"


def test_what_is_remembered_is_bounded(brake: SignInBrake, clock: Clock) -> None:
    for n in range(3 * MOST_ADDRESSES):
        brake.failed(f"10.0.{n // 256}.{n % 256}")
    assert brake.source("192.0.2.7") == OTHERS
    assert len(brake._paid_until_s) <= MOST_ADDRESSES + 1
    clock.now_s += FREE_TRIES * NEXT_TRY_EVERY_S
    assert brake.source("192.0.2.7") == "192.0.2.7"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[LightPage]:
    with light_page(tmp_path, proxies=("127.0.0.1/32",)) as made:
        yield made


def tried(page: LightPage, token: str, address: str = "") -> requests.Response:
    headers = {"X-Forwarded-For": address} if address else {}
    return requests.post(
        f"{page.url}/sign-in", data={"token": token}, headers=headers, timeout=30, allow_redirects=False
    )


def failures(page: LightPage) -> list[AuditEvent]:
    return [event for event in page.events if event.act is Act.SIGNED_IN and not event.allowed]


def test_wrong_tokens_are_braked_and_the_right_one_gets_in_all_the_time(page: LightPage) -> None:
    token = page.page.accounts.add("hart", Role.REVIEWER, "Hart^Ada")
    statuses = [tried(page, f"guess-{n}").status_code for n in range(80)]
    assert statuses[:FREE_TRIES] == [401] * FREE_TRIES
    assert statuses.count(429) > 40
    braked = tried(page, "guess")
    assert 0 < int(braked.headers["Retry-After"]) <= NEXT_TRY_EVERY_S
    assert "Too many sign-ins" in braked.text
    assert tried(page, token).status_code == 303


def test_many_failures_of_one_address_are_few_messages_that_count_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "COUNTS_WRITTEN_EVERY_S", 0.1)
    monkeypatch.setattr(app, "FAILURES_COUNTED_FOR_S", 3.0)
    with light_page(tmp_path, proxies=("127.0.0.1/32",)) as page:
        for n in range(100):
            tried(page, f"guess-{n}", "192.0.2.7")
        eventually(lambda: sum(event.times for event in failures(page)) == 100, "all to be counted", 30)
        assert len(failures(page)) < 20
        assert {event.address for event in failures(page)} == {"192.0.2.7"}


def test_what_was_counted_is_written_when_the_page_ends(tmp_path: Path) -> None:
    with light_page(tmp_path) as page:
        for n in range(7):
            tried(page, f"guess-{n}")
    assert [event.times for event in failures(page)] == [1, 6]


def test_readers_behind_a_proxy_that_is_named_have_their_own_addresses(page: LightPage) -> None:
    for n in range(40):
        tried(page, f"guess-{n}", "192.0.2.7")
    assert tried(page, "guess", "192.0.2.7").status_code == 429
    assert tried(page, "guess", "198.51.100.9").status_code == 401
    assert [event.address for event in failures(page)] == ["192.0.2.7", "198.51.100.9"]


def test_who_is_no_named_proxy_is_not_believed_about_addresses(tmp_path: Path) -> None:
    with light_page(tmp_path) as page:
        for n in range(40):
            tried(page, f"guess-{n}", f"192.0.2.{n}")
        assert {event.address for event in failures(page)} == {"127.0.0.1"}
        assert tried(page, "guess", "192.0.2.200").status_code == 429


def test_an_address_that_is_no_text_of_a_line_is_left_out(page: LightPage) -> None:
    for told in ("\x85\xa0", "x\x7fy"):
        request = f"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nX-Forwarded-For: {told}\r\n"
        page.raw(request.encode("latin-1") + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
    assert {event.address for event in failures(page)} <= {"", "127.0.0.1"}


@pytest.mark.parametrize(
    ("url", "secure"), [("https://cvai.example.org", True), ("http://cvai.local", False)]
)
def test_cookies_are_secure_whenever_readers_reach_the_page_by_https(
    tmp_path: Path, url: str, secure: bool
) -> None:
    with light_page(tmp_path, public_url=url) as page:
        token = page.page.accounts.add("hart", Role.REVIEWER, "Hart^Ada")
        signed_in = tried(page, token)
        assert ("; secure" in signed_in.headers["Set-Cookie"].lower()) == secure
        assert ("Strict-Transport-Security" in signed_in.headers) == secure
        own = {"Host": url.split("//")[1]}
        assert requests.get(f"{page.url}/sign-in", headers=own, timeout=30).ok
