"""An answer that drips on without an end is given up; a slow one that makes headway is read to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat

import pytest
import requests

from cvai.archive import min_throughput
from cvai.archive.http import archive_errors, new_session
from cvai.errors import TemporarilyUnavailable
from tests.loopback import serving

TIMEOUT_S = 0.3
WITHOUT_AN_END = 60_000
"""Bytes, of which 20 come in a second: none of the tests would see the last one."""


class _Dripping(BaseHTTPRequestHandler):
    """Answers a byte at a time: in its head, its body of a known length, in chunks, or till the line ends."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, how, n_bytes = self.path.split("/")
        heads = {
            "length": f"Content-Length: {n_bytes}",
            "chunks": "Transfer-Encoding: chunked",
            "end": "Connection: close",
        }
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.close_connection = how == "end"
        pieces: Iterator[bytes] = repeat(b"x", int(n_bytes))
        if how == "head":
            self._drip(iter([b"X-Slow: ", *pieces, b"\r\nContent-Length: 0\r\n\r\n"]))
        else:
            self.wfile.write(f"{heads[how]}\r\n\r\n".encode())
            self._drip((b"1\r\nx\r\n" for _ in pieces) if how == "chunks" else pieces)
            self.wfile.write(b"0\r\n\r\n" if how == "chunks" else b"")

    def _drip(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            try:
                self.wfile.write(piece)
            except OSError:
                self.close_connection = True
                return
            time.sleep(TIMEOUT_S / 6)

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


@pytest.fixture
def server() -> Iterator[str]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _Dripping)) as url:
        yield url


def read(url: str, stream: bool) -> None:
    with archive_errors("drip"):
        response = new_session().get(url, timeout=TIMEOUT_S, stream=stream)
        list(response.iter_content(1_000_000))


@pytest.mark.parametrize(
    ("how", "stream"),
    [("head", False), ("length", False), ("length", True), ("chunks", True), ("end", True)],
)
def test_an_answer_that_drips_on_is_given_up(server: str, how: str, stream: bool) -> None:
    with pytest.raises(TemporarilyUnavailable, match="did not answer"):
        read(f"{server}/{how}/{WITHOUT_AN_END}", stream)


@pytest.mark.parametrize("how", ["head", "length", "chunks", "end"])
def test_a_slow_answer_that_makes_headway_is_read_to_its_end(
    server: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(min_throughput, "MIN_BYTES_PER_S", 6 / TIMEOUT_S / 2)
    response = new_session().get(f"{server}/{how}/20", timeout=TIMEOUT_S)
    assert (response.headers.get("X-Slow", ""), response.text)[how != "head"] == 20 * "x"


def test_a_line_is_kept_for_the_next_question(server: str) -> None:
    session = new_session()
    for _ in range(3):
        assert session.get(f"{server}/length/1", timeout=TIMEOUT_S).text == "x"
    (pool,) = _pools(session)
    assert pool.num_connections == 1
    assert pool.num_requests == 3


def _pools(session: requests.Session) -> list[min_throughput._PacedPool]:
    manager = session.get_adapter("http://").poolmanager  # type: ignore[attr-defined]
    return [manager.pools[key] for key in manager.pools.keys()]  # noqa: SIM118 - not iterable otherwise
