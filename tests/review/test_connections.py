"""Connections that are held and not used, or do not get on: the page answers others all the same."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from cvai.review.connections import limited
from tests.process import eventually
from tests.review.light_page import light_page


def connected(port: int, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(address, 0))


def is_ended(line: socket.socket) -> bool:
    """Whether the other side has ended the connection; what it said before is taken."""
    line.settimeout(0.05)
    try:
        while line.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize("many", [False, True], ids=["one address", "many addresses"])
def test_idle_connections_do_not_stop_the_page(tmp_path: Path, many: bool) -> None:
    with light_page(tmp_path) as page, ExitStack() as lines:
        for number in range(300):
            lines.enter_context(connected(page.port, f"127.0.1.{number % 200 + 1}" if many else "127.0.0.1"))
        for _ in range(3):
            assert requests.get(f"{page.url}/sign-in", timeout=60).ok


def test_half_requests_do_not_stop_the_page(tmp_path: Path) -> None:
    with light_page(tmp_path) as page, ExitStack() as lines:
        for _ in range(100):
            lines.enter_context(connected(page.port)).sendall(b"GET /sign-in HTTP/1.1\r\nHost: ")
        assert requests.get(f"{page.url}/sign-in", timeout=60).ok


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"], ids=["nothing", "half a head"]
)
def test_a_head_that_does_not_come_ends_the_connection(
    begun: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvai.review.connections.HEAD_S", 0.2)
    with light_page(tmp_path) as page, connected(page.port) as line:
        line.sendall(begun)
        eventually(lambda: is_ended(line), "the connection to end", 30)


def test_a_head_that_drips_ends_the_connection_also_after_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvai.review.connections.HEAD_S", 0.5)
    with light_page(tmp_path) as page, connected(page.port) as line:
        line.sendall(f"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode())
        assert line.recv(65536).startswith(b"HTTP/1.1 200")

        def drips_on() -> bool:
            try:
                line.sendall(b"G")
            except ConnectionError:
                return True
            return is_ended(line)

        eventually(drips_on, "the connection to end", 30)


def test_a_body_that_does_not_come_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvai.review.connections.BODY_S", 0.3)
    head = (
        "POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )
    with light_page(tmp_path) as page, connected(page.port) as line:
        line.sendall(f"{head.format(page.port)}Content-Length: 1000\r\n\r\ntoken=".encode())
        eventually(lambda: is_ended(line), "the connection to end", 30)


@contextmanager
def served(app: Any, in_all: int, by_address: int, proxies: tuple[str, ...] = ()) -> Iterator[int]:
    """An application behind limited connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, http=limited(in_all, by_address, proxies), ws="none", log_config=None, lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(30)


REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


def test_who_does_not_take_an_answer_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.review.connections.TAKEN_S", 0.3)
    given_up = threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for _ in range(1000):
                await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
        finally:
            given_up.set()

    with served(endless, 10, 10) as port, connected(port) as line:
        line.sendall(REQUEST)
        assert given_up.wait(20)
        eventually(lambda: is_ended(line), "the connection to end", 30)


@contextmanager
def slow_app() -> Iterator[tuple[Any, threading.Semaphore]]:
    """Answers nobody until the context ends, and tells of each that has asked."""
    asked, go_on = threading.Semaphore(0), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.release()
        while not go_on.is_set():
            await asyncio.sleep(0.02)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    yield app, asked
    go_on.set()


@pytest.mark.parametrize(("proxies", "let_in"), [((), False), (("127.0.0.0/8",), True)])
def test_who_is_being_answered_is_not_put_out_and_a_proxy_is_no_single_caller(
    proxies: tuple[str, ...], let_in: bool
) -> None:
    with ExitStack() as stack:
        app, asked = stack.enter_context(slow_app())
        port = stack.enter_context(served(app, in_all=10, by_address=2, proxies=proxies))
        waiting = []
        for _ in range(2):
            waiting.append(stack.enter_context(connected(port)))
            waiting[-1].sendall(REQUEST)
            assert asked.acquire(timeout=60)
        third = stack.enter_context(connected(port))
        if let_in:
            third.sendall(REQUEST)
            assert asked.acquire(timeout=60)
        else:
            eventually(lambda: is_ended(third), "the third to be turned away", 30)
        assert not any(is_ended(line) for line in waiting)
