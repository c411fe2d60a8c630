"""The client of WebSockets against aiohttp's server, with and without TLS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvai.transfer import websocket
from cvai.transfer.websocket import WebSocket, WebSocketClosed
from tests.dicom_peers import needs_openssl, self_signed
from tests.ups_server import Notifications, WorklistStore, notifying

AE = "CVAI"


@pytest.fixture(params=[False, pytest.param(True, marks=needs_openssl)], ids=["ws", "wss"])
def served(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Notifications, str]]:
    tls = None
    if request.param:
        certificate = self_signed(tmp_path)
        tls = certificate.for_callers()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    store = WorklistStore()
    with notifying(store, tls, heartbeat_s=1.0) as url:
        assert store.notifications is not None
        yield store.notifications, f"{url}/subscribers/{AE}"


def received(connection: WebSocket, n: int, within_s: float = 10) -> list[str]:
    found: list[str] = []
    deadline = time.monotonic() + within_s
    while len(found) < n and time.monotonic() < deadline:
        found += connection.messages()
        time.sleep(0.02)
    return found


def test_texts_of_every_length_arrive_whole_and_in_order(served: tuple[Notifications, str]) -> None:
    server, url = served
    connection = WebSocket(url, 5, {"Authorization": "Basic abc"})
    assert list(connection.messages()) == []
    sent = ["", "short", "ä" * 100, "x" * 70_000, "last"]
    for text in sent:
        server.send(AE, text)
    assert received(connection, len(sent)) == sent
    assert server.credentials == "Basic abc"
    connection.close()


def test_a_server_that_asks_whether_the_client_lives_gets_an_answer(
    served: tuple[Notifications, str],
) -> None:
    """It closes connections that do not answer within half a second."""
    server, url = served
    connection = WebSocket(url, 5, {})
    assert received(connection, 1, within_s=3) == []
    server.send(AE, "still here")
    assert received(connection, 1) == ["still here"]
    connection.close()


def test_an_end_and_a_silence_are_noticed(
    served: tuple[Notifications, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url = served
    connection = WebSocket(url, 5, {})
    server.close(AE)
    with pytest.raises(WebSocketClosed):
        received(connection, 1)
    connection.close()
    silent = WebSocket(url, 5, {})
    monkeypatch.setattr(websocket, "SILENT_AT_MOST_S", -1.0)
    with pytest.raises(WebSocketClosed, match="silent"):
        list(silent.messages())
    silent.close()


def test_a_message_beyond_the_limit_ends_the_connection(
    served: tuple[Notifications, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, url = served
    monkeypatch.setattr(websocket, "LARGEST_MESSAGE", 1000)
    connection = WebSocket(url, 5, {})
    server.send(AE, "x" * 2000)
    with pytest.raises(WebSocketClosed, match="too large"):
        received(connection, 1)
    connection.close()


@needs_openssl
def test_a_server_whose_certificate_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    store = WorklistStore()
    with (
        notifying(store, self_signed(tmp_path).for_callers()) as url,
        pytest.raises(WebSocketClosed, match="SSLCertVerificationError"),
    ):
        WebSocket(f"{url}/subscribers/{AE}", 5, {})


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:1/subscribers/CVAI", "ws://no.such.host.invalid/subscribers/A"]
)
def test_a_server_that_is_not_there_is_no_connection(url: str) -> None:
    with pytest.raises(WebSocketClosed):
        WebSocket(url, 2, {})
