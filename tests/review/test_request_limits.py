"""How much the page takes from whom, whatever the headers claim: raw sockets against a real uvicorn."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvai.errors import RequestInvalid
from cvai.review import security
from cvai.review.security import (
    COOKIE,
    LARGEST_BODY_BYTES,
    LARGEST_BODY_WITHOUT_SESSION_BYTES,
    LARGEST_HEADERS_BYTES,
    LONGEST_TARGET_BYTES,
    MOST_HEADERS,
)
from tests.review.light_page import LightPage, light_page

PIECE = b"x" * 65_536
ON_THE_WAY_BYTES = 8_000_000
"""What the sockets on both sides may hold of a body that is not read."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightPage]:
    with light_page(tmp_path_factory.mktemp("light")) as made:
        yield made


def head(page: LightPage, start: str, *lines: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"{start} HTTP/{version}", f"Host: 127.0.0.1:{page.port}", *lines, "", ""]).encode(
        "latin-1"
    )


def chunks(n_bytes: int) -> Iterator[bytes]:
    for _ in range(n_bytes // len(PIECE)):
        yield b"%x\r\n" % len(PIECE) + PIECE + b"\r\n"


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer[9:12])


PATHS = ["/sign-in", "/sign-out", "/api/studies/1.2/draft", "/nothing", "/static/study.js", "/healthz", "/"]


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE", "HEAD", "BREW"])
@pytest.mark.parametrize("path", PATHS)
def test_two_lengths_are_refused_on_every_route_and_the_body_is_not_read(
    page: LightPage, method: str, path: str
) -> None:
    request = head(page, f"{method} {path}", "Content-Length: 10", "Transfer-Encoding: chunked")
    answer, sent = page.raw(request, chunks(300_000_000))
    assert sent < ON_THE_WAY_BYTES
    if answer:  # who sends on after a hang-up may lose it
        assert status_of(answer) == 400
    answer, _ = page.raw(request)
    assert status_of(answer) == 400
    assert method == "HEAD" or b"request_ambiguous" in answer
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "lines",
    [
        ("Transfer-Encoding: chunked", "Content-Length: 0"),
        ("transfer-encoding: CHUNKED", "content-length: 10"),
        ("Transfer-Encoding: identity", "Content-Length: 10"),
        ("Transfer-Encoding: chunked", "Content-Length: 10", "Content-Length: 10"),
        ("Content-Length: 10", "Content-Length: 11"),
        ("Content-Length: 10, 11",),
        ("Content-Length: -1",),
        ("Content-Length: +1",),
        ("Content-Length: 1_0",),
        ("Content-Length: 0x10",),
        ("Content-Length: " + "9" * 5000,),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ],
)
def test_a_length_that_can_be_read_in_two_ways_is_refused(page: LightPage, lines: tuple[str, ...]) -> None:
    answer, _ = page.raw(head(page, "POST /sign-in", *lines))
    assert status_of(answer) in (400, 413, 501)


def test_http_1_0_has_no_chunks(page: LightPage) -> None:
    answer, _ = page.raw(head(page, "POST /sign-in", "Transfer-Encoding: chunked", version="1.0"))
    assert status_of(answer) == 400


@pytest.mark.parametrize("path", ["/sign-in", "/nothing", "/"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_chunks_are_counted_as_they_come(page: LightPage, method: str, path: str) -> None:
    answer, sent = page.raw(head(page, f"{method} {path}", "Transfer-Encoding: chunked"), chunks(300_000_000))
    assert sent < ON_THE_WAY_BYTES
    if answer:
        assert status_of(answer) in (401, 413)


def test_small_chunks_are_a_body_like_any_other(page: LightPage) -> None:
    body = b"b\r\ntoken=wrong\r\n0\r\n\r\n"
    request = head(page, "POST /sign-in", "Transfer-Encoding: chunked", "Connection: close")
    answer, _ = page.raw(request + body)
    assert status_of(answer) == 401
    assert b"not known here" in answer


def test_chunks_without_end_are_cut_off_at_the_limit(page: LightPage) -> None:
    request = head(page, "POST /sign-in", "Transfer-Encoding: chunked")
    one_too_many = LARGEST_BODY_WITHOUT_SESSION_BYTES + 1
    answer, _ = page.raw(request + b"%x\r\n" % one_too_many + b"x" * one_too_many)
    assert status_of(answer) == 413


def test_a_body_that_is_said_to_be_large_is_refused_before_it_comes(page: LightPage) -> None:
    answer, _ = page.raw(head(page, "POST /sign-in", "Content-Length: 16001"))
    assert (status_of(answer), b"request_too_large" in answer) == (413, True)


@pytest.mark.parametrize("cookie", [(), (f"Cookie: {COOKIE}=made-up",), (f"Cookie: {COOKIE}=\xff\xfe",)])
def test_without_a_session_no_change_has_its_body_read(page: LightPage, cookie: tuple[str, ...]) -> None:
    lines = ("Content-Length: 7000000", "Content-Type: application/json", *cookie)
    answer, _ = page.raw(head(page, "PUT /api/studies/1.2/draft", *lines))
    assert (status_of(answer), b"sign_in_needed" in answer) == (401, True)


def test_with_a_session_a_draft_of_every_frame_is_taken_and_no_more(page: LightPage) -> None:
    session = page.signed_in("drafts")
    draft = f"{page.url}/api/studies/1.2/draft"
    fits = session.put(draft, data=b" " * LARGEST_BODY_BYTES, timeout=60)
    assert fits.status_code in (404, 422)
    for body in (b" " * (LARGEST_BODY_BYTES + 1), chunks_of_blanks(LARGEST_BODY_BYTES + 1)):
        try:
            answer = session.put(draft, data=body, timeout=60)
        except OSError:  # hung up on while it still sent
            continue
        assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


def chunks_of_blanks(n_bytes: int) -> Iterator[bytes]:
    for start in range(0, n_bytes, 1_000_000):
        yield b" " * min(1_000_000, n_bytes - start)


def test_what_follows_a_refused_request_on_its_line_is_not_another_request(page: LightPage) -> None:
    refused = head(page, "POST /sign-in", "Content-Length: 6", "Transfer-Encoding: chunked")
    answer, _ = page.raw(refused + b"0\r\n\r\n" + head(page, "GET /sign-in"))
    assert answer.count(b"HTTP/1.1 ") == 1


def test_an_address_has_a_limit(page: LightPage) -> None:
    answer, _ = page.raw(head(page, f"GET /{'x' * LONGEST_TARGET_BYTES}"))
    assert (status_of(answer), b"address_too_long" in answer) == (414, True)
    query = "x" * (LONGEST_TARGET_BYTES - len("/sign-in"))
    answer, _ = page.raw(head(page, f"GET /sign-in?{query}", "Connection: close"))
    assert status_of(answer) == 200


def test_headers_have_limits(page: LightPage) -> None:
    many = (f"X-{n}: 1" for n in range(MOST_HEADERS))
    answer, _ = page.raw(head(page, "GET /sign-in", *many))
    assert (status_of(answer), b"headers_too_large" in answer) == (431, True)
    answer, _ = page.raw(head(page, "GET /sign-in", f"X-Long: {'x' * LARGEST_HEADERS_BYTES}"))
    assert status_of(answer) in (400, 431)
    fits = "x" * (LARGEST_HEADERS_BYTES // 2)
    answer, _ = page.raw(head(page, "GET /sign-in", f"X-Long: {fits}", "Connection: close"))
    assert status_of(answer) == 200


def test_headers_without_end_are_cut_off(page: LightPage) -> None:
    request = head(page, "GET /sign-in")[:-2]
    lines = (b"X-%d: " % n + PIECE + b"\r\n" for n in range(1000))
    _, sent = page.raw(request, lines)
    assert sent < ON_THE_WAY_BYTES


def test_a_body_that_does_not_come_is_not_waited_for(
    page: LightPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "BODY_WITHIN_S", 0.5)
    begun = time.monotonic()
    answer, _ = page.raw(head(page, "POST /sign-in", "Content-Length: 10") + b"token")
    assert (status_of(answer), b"request_too_slow" in answer) == (408, True)
    assert time.monotonic() - begun < 20


def test_who_hangs_up_in_the_middle_of_a_body_is_forgotten(page: LightPage) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", page.port), timeout=30) as line:
            line.sendall(head(page, "POST /sign-in", "Content-Length: 10") + b"tok")
    answer, _ = page.raw(head(page, "GET /sign-in", "Connection: close"))
    assert status_of(answer) == 200


@pytest.mark.parametrize("word", ["\xe9", "\xff" * 43, "n\xe4chste", "", " "])
def test_a_word_that_is_no_ascii_is_a_wrong_word(page: LightPage, word: str) -> None:
    session = page.signed_in(f"word-{len(word)}-{len(word.strip())}-{ord((word or '-')[0])}")
    cookie = f"Cookie: {COOKIE}={session.cookies[COOKIE]}"
    lines = (cookie, f"X-CSRF-Token: {word}", "Content-Length: 0", "Connection: close")
    answer, _ = page.raw(head(page, "DELETE /api/studies/1.2/draft", *lines))
    assert (status_of(answer), b"request_forged" in answer) == (403, True)


def test_the_page_asks_for_its_names_in_any_case(page: LightPage) -> None:
    answer, _ = page.raw(
        f"GET /sign-in HTTP/1.1\r\nHost: LocalHost:{page.port}\r\nConnection: close\r\n\r\n".encode()
    )
    assert status_of(answer) == 200


@pytest.mark.parametrize("job_id", ["\x00", "a b", "é", "1" * 161, "1.2.3'--", ""])
def test_what_cannot_name_a_job_is_not_looked_for(tmp_path: Path, job_id: str) -> None:
    with light_page(tmp_path) as page:

        def refuse(job_id: str) -> None:
            raise AssertionError(f"the database is asked for {job_id}")

        page.page.ledger.find = refuse  # type: ignore[method-assign]
        with pytest.raises(RequestInvalid) as refused:
            page.page.worklist.study(job_id)
        assert refused.value.code == "study_unknown"
