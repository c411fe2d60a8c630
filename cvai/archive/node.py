"""cvai as a node of DICOM's own network protocol (PS3.8), which others call."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from socketserver import BaseServer
from typing import Any, cast

import structlog
from pynetdicom import AE, build_context, evt
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import
from pynetdicom.transport import ThreadedAssociationServer

from cvai.archive.tls import Certificate
from cvai.errors import ConfigurationInvalid

log = structlog.get_logger(__name__)

HANDSHAKE_S = 5.0
"""For a caller to agree on TLS; meanwhile no other call is taken."""

IDLE_S = 60.0
"""An association on which nothing is said for so long is aborted."""

ASSOCIATIONS_AT_ONCE = 20
"""Each holds one instance in memory while it arrives."""

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Node:
    """Where cvai is called, and who may call.

    Args:
        ae_title: our name; callers have to use it.
        host: address to listen at.
        port: 0 for any that is free.
        allowed_ae_titles: names callers may have; empty for any.
        allowed_networks: where callers may come from.
        tls: None for plain text.
    """

    ae_title: str
    host: str
    port: int
    allowed_ae_titles: tuple[str, ...]
    allowed_networks: tuple[Network, ...]
    tls: Certificate | None = None


class GuardedServer(ThreadedAssociationServer):
    """Hangs up on strangers before a word is said, and does not wait long for a handshake.

    pynetdicom agrees on TLS in the thread that takes all calls, without limit: one silent caller would keep
    everybody else out.
    """

    daemon_threads = True

    def __init__(self, *args: Any, networks: Sequence[Network], **kwargs: Any) -> None:
        self._networks = networks
        super().__init__(*args, **kwargs)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """The next call; an OSError makes socketserver go on with the one after."""
        caller, address = cast("socket.socket", self.socket).accept()
        try:
            self._require_allowed(address[0])
            caller.settimeout(HANDSHAKE_S)
            if self.ssl_context is not None:
                caller = self.ssl_context.wrap_socket(caller, server_side=True)
            caller.settimeout(None)
        except OSError as error:
            caller.close()
            log.warning("call_refused", address=address[0], reason=type(error).__name__)
            raise
        return caller, address

    def shutdown(self) -> None:
        """Close the port; pynetdicom's own way works only for servers that it has started itself."""
        BaseServer.shutdown(self)
        self.server_close()

    def _require_allowed(self, host: str) -> None:
        address = ip_address(host)
        address = getattr(address, "ipv4_mapped", None) or address
        if not any(address in network for network in self._networks):
            raise PermissionError(host)


@contextmanager
def listening(
    node: Node, contexts: Iterable[PresentationContext], handlers: Iterable[EventHandlerType]
) -> Iterator[int]:
    """Take calls, each in a thread of its own; the port is told.

    At the end no more calls are taken and those under way are aborted: their callers keep what was not
    confirmed.

    Args:
        node: where, and from whom.
        contexts: what callers may ask for, besides an echo.
        handlers: who answers.

    Raises:
        ConfigurationInvalid: the port is taken or may not be used, or a certificate cannot be.
    """
    server = _server(node, contexts, [*handlers, *TELLING])
    port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, name="dicom-node", daemon=True)
    thread.start()
    log.info("listening", ae_title=node.ae_title, port=port, tls=node.tls is not None)
    try:
        yield port
    finally:
        server.shutdown()
        for association in server.active_associations:
            association.abort()
        thread.join()


def _server(
    node: Node, contexts: Iterable[PresentationContext], handlers: list[EventHandlerType]
) -> GuardedServer:
    certificate = None if node.tls is None else node.tls.for_callers()
    try:
        return GuardedServer(
            _entity(node),
            (node.host, node.port),
            node.ae_title,
            [*contexts, build_context(Verification)],
            certificate,
            handlers,
            networks=node.allowed_networks,
        )
    except OSError as error:
        raise ConfigurationInvalid(
            "dicom_port_unusable",
            f"cannot listen at {node.host} port {node.port}: {error.strerror}.",
            "Give dicom.host and dicom.port that are free; ports below 1024 need a privilege.",
        ) from error


def _entity(node: Node) -> AE:
    entity = AE(node.ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = list(node.allowed_ae_titles)
    entity.maximum_associations = ASSOCIATIONS_AT_ONCE
    entity.network_timeout = IDLE_S
    return entity


def _tell_abort(event: Event) -> None:
    log.warning("association_aborted", caller=event.assoc.requestor.ae_title)


def _tell_rejection(event: Event) -> None:
    log.warning("association_rejected", caller=event.assoc.requestor.ae_title)


TELLING: list[EventHandlerType] = [(evt.EVT_ABORTED, _tell_abort), (evt.EVT_REJECTED, _tell_rejection)]
