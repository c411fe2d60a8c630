"""A WebSocket connection that receives text (RFC 6455), read without waiting.

Notifications of a DICOMweb service come over one (PS3.18 section 8.10); nothing is sent but the answers that
the protocol asks for.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from http import HTTPStatus
from urllib.parse import urlsplit

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_LONG, _LONGER = 126, 127
_SHORT_HEADER = 2
LARGEST_MESSAGE = 1_000_000
LONGEST_ANSWER = 16_384
_CHUNK = 65_536
PING_EVERY_S, SILENT_AT_MOST_S = 30.0, 90.0


class WebSocketClosed(Exception):
    """The connection could not be opened, has ended, or was not answered by the protocol."""


class WebSocket:
    """An open connection.

    Args:
        url: ``ws://`` or ``wss://``.
        timeout_s: for connecting and the answer to it.
        headers: sent with the request, such as Authorization.

    Raises:
        WebSocketClosed: it was not opened; ``messages`` raises it too.
    """

    def __init__(self, url: str, timeout_s: float, headers: Mapping[str, str]) -> None:
        self._received = bytearray()
        self._text = bytearray()
        self._heard_s = self._pinged_s = time.monotonic()
        with ExitStack() as leaving:
            try:
                self._socket = _connected(url, timeout_s, leaving)
                self._open(url, headers)
                self._socket.setblocking(False)
            except (OSError, ValueError) as error:
                raise WebSocketClosed(type(error).__name__) from error
            leaving.pop_all()

    def messages(self) -> Iterator[str]:
        """Texts that have arrived meanwhile; returns at once.

        Raises:
            WebSocketClosed: the connection has ended, nothing was heard for long, or what came is no text.
        """
        self._receive()
        while (frame := self._next_frame()) is not None:
            is_last, opcode, payload = frame
            if opcode == _CLOSE:
                raise WebSocketClosed("closed by the server")
            if opcode == _PING:
                self._send(_PONG, payload)
            elif opcode in (_TEXT, _CONTINUATION):
                self._text += payload
                if len(self._text) > LARGEST_MESSAGE:
                    raise WebSocketClosed("message too large")
                if is_last:
                    whole, self._text = bytes(self._text), bytearray()
                    yield whole.decode(errors="replace")
        self._keep_alive()

    def close(self) -> None:
        """End the connection; never raises."""
        with suppress(OSError, WebSocketClosed):
            self._send(_CLOSE, b"")
        self._socket.close()

    def _open(self, url: str, headers: Mapping[str, str]) -> None:
        """The opening handshake (RFC 6455 section 4.1)."""
        parts = urlsplit(url)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = {
            "Host": parts.netloc.rpartition("@")[2],
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        request = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._socket.sendall(f"GET {parts.path or '/'} HTTP/1.1\r\n{request}\r\n".encode("latin-1"))
        status, answer = self._answer()
        expected = base64.b64encode(hashlib.sha1(f"{key}{_MAGIC}".encode()).digest()).decode()  # noqa: S324
        if status != HTTPStatus.SWITCHING_PROTOCOLS or answer.get("sec-websocket-accept") != expected:
            raise WebSocketClosed(f"answered {status}")

    def _answer(self) -> tuple[int, dict[str, str]]:
        """Status and header fields of the answer; what follows it stays in the buffer."""
        while b"\r\n\r\n" not in self._received:
            chunk = self._socket.recv(_CHUNK)
            if not chunk or len(self._received) > LONGEST_ANSWER:
                raise WebSocketClosed("no answer")
            self._received += chunk
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        self._received = bytearray(rest)
        status, *fields = head.decode("latin-1").split("\r\n")
        pairs = (field.partition(":") for field in fields)
        return int(status.split()[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _receive(self) -> None:
        """Take what has arrived into the buffer."""
        while len(self._received) <= LARGEST_MESSAGE:
            try:
                chunk = self._socket.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError as error:
                raise WebSocketClosed(type(error).__name__) from error
            if not chunk:
                raise WebSocketClosed("ended by the server")
            self._heard_s = time.monotonic()
            self._received += chunk

    def _next_frame(self) -> tuple[bool, int, bytes] | None:
        """Whether it is the last of its message, opcode and payload; None while it has not arrived whole."""
        if len(self._received) < _SHORT_HEADER:
            return None
        first, second = self._received[0], self._received[1]
        length, start = second & 0x7F, _SHORT_HEADER
        for marker, layout in ((_LONG, "!H"), (_LONGER, "!Q")):
            if second & 0x7F == marker:
                start += struct.calcsize(layout)
                if len(self._received) < start:
                    return None
                (length,) = struct.unpack_from(layout, self._received, _SHORT_HEADER)
        if second & 0x80 or length > LARGEST_MESSAGE:
            raise WebSocketClosed("frame masked or too large")
        if len(self._received) < start + length:
            return None
        payload = bytes(self._received[start : start + length])
        del self._received[: start + length]
        return bool(first & 0x80), first & 0x0F, payload

    def _keep_alive(self) -> None:
        """A connection that was lost without a word is noticed by pings that nobody answers."""
        now_s = time.monotonic()
        if now_s - self._heard_s > SILENT_AT_MOST_S:
            raise WebSocketClosed("silent")
        if now_s - self._pinged_s > PING_EVERY_S:
            self._pinged_s = now_s
            self._send(_PING, b"")

    def _send(self, opcode: int, payload: bytes) -> None:
        """One short frame, masked as those of clients are (RFC 6455 section 5.3)."""
        mask = os.urandom(4)
        masked = bytes(value ^ mask[place % 4] for place, value in enumerate(payload))
        try:
            self._socket.send(bytes((0x80 | opcode, 0x80 | len(payload))) + mask + masked)
        except OSError as error:
            raise WebSocketClosed(type(error).__name__) from error


def _connected(url: str, timeout_s: float, leaving: ExitStack) -> socket.socket:
    """A connection, which ``leaving`` closes."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    plain = socket.create_connection((parts.hostname or "", parts.port or (443 if secure else 80)), timeout_s)
    leaving.enter_context(plain)
    if not secure:
        return plain
    tls = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
    return leaving.enter_context(tls)
