"""A DICOM server with limits of connections, time and size, which handles each call in a thread."""

from __future__ import annotations

import errno
import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from socketserver import BaseServer
from typing import Any, cast
from weakref import WeakKeyDictionary

import structlog
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from cvai.transfer.callers import Callers

log = structlog.get_logger(__name__)

HANDSHAKE_S = 5.0
"""For the TLS handshake."""

REQUEST_S = 10.0
"""For the first byte of an association request."""

PDU_S = 30.0
"""For receiving a protocol data unit from its first byte on, and for sending."""

OUT_OF_HANDLES = frozenset({errno.EMFILE, errno.ENFILE})
HANDLES_AGAIN_AFTER_S = 0.2

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Limits of a server.

    Args:
        associations: concurrent ones; each holds one message in memory while it is received.
        by_address: connections per address.
        pdu_bytes: of an A-ASSOCIATE or any other protocol data unit (PS3.8 section 9.3).
        message_bytes: of a message (PS3.7), such as a C-STORE with its instance.
    """

    associations: int = 20
    by_address: int = 10
    pdu_bytes: int = 500_000
    message_bytes: int = 2_000_000_000

    @property
    def connections(self) -> int:
        """Concurrent connections, including those without an association request yet."""
        return 2 * self.associations


@dataclass(eq=False)
class Call:
    """An accepted connection; a ``Caller``.

    Args:
        socket: as accepted, then with TLS.
        host: remote address.
        port: remote port.
    """

    socket: socket.socket
    host: str
    port: int
    association: Association | None = None
    is_refused: bool = False
    is_dropped: bool = False

    @property
    def address(self) -> str:
        """See ``Caller``."""
        return self.host

    @property
    def is_gone(self) -> bool:
        """See ``Caller``."""
        return self.is_refused or (self.association is not None and not self.association.is_alive())

    @property
    def is_silent(self) -> bool:
        """Whether it has no established association."""
        return self.association is None or not self.association.is_established

    def hang_up(self) -> None:
        """Shut the connection down, which ends pending reads at once."""
        log.warning("call_dropped", address=self.host)
        self.is_dropped = True
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def await_first_byte(self) -> None:
        """Wait for the first byte.

        Raises:
            OSError: none was received in time, or the connection was closed.
        """
        if not (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()):
            connection = select.poll()
            connection.register(self.socket, select.POLLIN)
            if not connection.poll(1000 * REQUEST_S):
                raise TimeoutError("nothing received")
        if self.is_dropped:
            raise ConnectionAbortedError("closed for another connection")


class GuardedSocket(AssociationSocket):
    """Reads protocol data units with limits of time and size.

    pynetdicom waits without limit for the announced number of bytes, whatever it is.
    """

    largest_bytes: int

    @classmethod
    def around(cls, made: AssociationSocket, largest_bytes: int) -> GuardedSocket:
        """Replace a socket that pynetdicom has created and announced already."""
        guarded = cls.__new__(cls)
        guarded.__dict__.update(made.__dict__)
        guarded.largest_bytes = largest_bytes
        return guarded

    def recv(self, nr_bytes: int) -> bytearray:
        """Read ``nr_bytes``, or fewer if the peer has closed the connection.

        Raises:
            OSError: they are too many, or not received in time.
        """
        connection = cast("socket.socket", self.socket)
        if nr_bytes > self.largest_bytes:
            log.warning("pdu_too_large", bytes=nr_bytes)
            raise OSError(errno.EMSGSIZE, "too large")
        deadline_s = time.monotonic() + PDU_S
        received = bytearray()
        while len(received) < nr_bytes:
            connection.settimeout(max(0.001, deadline_s - time.monotonic()))
            piece = connection.recv(min(65536, nr_bytes - len(received)))
            if not piece:
                break
            received += piece
        connection.settimeout(PDU_S)
        return received

    def _shutdown_socket(self) -> None:
        """Close the socket also after the peer has, which pynetdicom leaves to garbage collection."""
        super()._shutdown_socket()
        with suppress(OSError):
            cast("socket.socket", self.socket).close()


class _Handler(RequestHandler):
    """Starts an association on a connection."""

    association: Association

    def handle(self) -> None:
        """See the base class."""
        server = cast("GuardedServer", self.server)
        self.association = self._create_association()
        dul = self.association.dul
        dul.socket = GuardedSocket.around(cast("AssociationSocket", dul.socket), server.limits.pdu_bytes)
        evt.trigger(self.association, evt.EVT_CONN_OPEN, {"address": self.client_address})
        self.association.start()


class GuardedServer(ThreadedAssociationServer):
    """Refuses disallowed addresses at once, and isolates connections from each other.

    pynetdicom does the TLS handshake in the accepting thread without a timeout: one silent client would block
    all others.
    """

    request_queue_size = 128

    def __init__(self, *args: Any, networks: Sequence[Network], limits: CallLimits, **kwargs: Any) -> None:
        self.limits = limits
        self._networks = networks
        self._callers: Callers[Call] = Callers(limits.connections, limits.by_address)
        super().__init__(*args, **kwargs)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection; socketserver skips it on an OSError."""
        try:
            caller, address = cast("socket.socket", self.socket).accept()
        except OSError as error:
            if error.errno in OUT_OF_HANDLES:
                log.error("call_not_taken", reason=error.strerror)
                time.sleep(HANDLES_AGAIN_AFTER_S)
            raise
        return caller, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Admit or refuse a connection; an admitted one continues in a thread of its own."""
        host, port = client_address[:2]
        call = Call(request, host, port)
        if not self._is_allowed(host):
            self._refuse(call, "address")
        elif not self._callers.enter(call):
            self._refuse(call, "too many")
        else:
            threading.Thread(target=self._begin, args=(call,), name="dicom-call", daemon=True).start()

    def shutdown(self) -> None:
        """Close the port; pynetdicom's method works only for servers that it has started itself."""
        BaseServer.shutdown(self)
        self.server_close()

    def _begin(self, call: Call) -> None:
        """Do the TLS handshake if configured, and start an association at the first byte.

        Starting one is expensive: pynetdicom copies all supported contexts.
        """
        try:
            call.socket.settimeout(HANDSHAKE_S)
            if self.ssl_context is not None:
                call.socket = self.ssl_context.wrap_socket(call.socket, server_side=True)
            call.socket.settimeout(PDU_S)
            call.await_first_byte()
            call.association = _Handler(call.socket, (call.host, call.port), self).association
        except OSError as error:
            self._refuse(call, type(error).__name__)
            self._callers.leave(call)

    def _refuse(self, call: Call, reason: str) -> None:
        call.is_refused = True
        call.socket.close()
        log.warning("call_refused", address=call.host, reason=reason)

    def _is_allowed(self, host: str) -> bool:
        address = ip_address(host)
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)


def limiting(message_bytes: int) -> list[EventHandlerType]:
    """Handlers that close a connection whose message exceeds ``message_bytes``."""
    arrived: WeakKeyDictionary[Association, int] = WeakKeyDictionary()

    def count(event: Event) -> None:
        if isinstance(event.pdu, P_DATA_TF):
            arrived[event.assoc] = arrived.get(event.assoc, 0) + event.pdu.pdu_length
            if arrived[event.assoc] > message_bytes:
                log.warning("message_too_large", caller=event.assoc.requestor.ae_title, bytes=message_bytes)
                cast("AssociationSocket", event.assoc.dul.socket).close()

    def reset(event: Event) -> None:
        arrived.pop(event.assoc, None)

    return [(evt.EVT_PDU_RECV, count), (evt.EVT_DIMSE_RECV, reset)]
