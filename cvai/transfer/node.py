"""cvai as a DICOM node (PS3.8) that accepts associations."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from cvai.errors import ConfigurationInvalid
from cvai.transfer.guarded import REQUEST_S, CallLimits, GuardedServer, Network, limiting
from cvai.transfer.tls import Certificate

log = structlog.get_logger(__name__)

IDLE_S = 60.0
"""An association that is idle for longer is aborted."""


@dataclass(frozen=True, slots=True)
class Node:
    """Address of the node, and who may call.

    Args:
        ae_title: called AE title, required of callers.
        host: address to listen at.
        port: 0 for any free one.
        allowed_ae_titles: calling AE titles; empty for any.
        allowed_networks: of callers.
        tls: None without TLS.
        limits: of connections, time and size.
    """

    ae_title: str
    host: str
    port: int
    allowed_ae_titles: tuple[str, ...]
    allowed_networks: tuple[Network, ...]
    tls: Certificate | None = None
    limits: CallLimits = field(default_factory=CallLimits)


class _Entity(AE):
    """Counts only requested associations, not connections without a request yet."""

    @property
    def active_associations(self) -> list[Association]:
        """See the base class."""
        return [a for a in super().active_associations if a.requestor.primitive is not None]


@contextmanager
def listening(
    node: Node, contexts: Iterable[PresentationContext], handlers: Iterable[EventHandlerType]
) -> Iterator[int]:
    """Accept associations within the block; yields the port.

    At the end open associations are aborted; their callers keep what was not confirmed.

    Args:
        node: address and permissions.
        contexts: supported ones besides C-ECHO.
        handlers: of pynetdicom's events.

    Raises:
        ConfigurationInvalid: the port or a certificate cannot be used.
    """
    server = _server(node, contexts, [*handlers, *limiting(node.limits.message_bytes), *LOG_HANDLERS])
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
            limits=node.limits,
        )
    except OSError as error:
        raise ConfigurationInvalid(
            "dicom_port_unusable",
            f"cannot listen at {node.host} port {node.port}: {error.strerror}.",
            "Set dicom.host and dicom.port to a free port; ports below 1024 need a privilege.",
        ) from error


def _entity(node: Node) -> AE:
    entity = _Entity(node.ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = list(node.allowed_ae_titles)
    entity.maximum_associations = node.limits.associations
    entity.acse_timeout, entity.network_timeout = REQUEST_S, IDLE_S
    return entity


def _log_abort(event: Event) -> None:
    log.warning("association_aborted", caller=event.assoc.requestor.ae_title)


def _log_rejection(event: Event) -> None:
    log.warning("association_rejected", caller=event.assoc.requestor.ae_title)


LOG_HANDLERS: list[EventHandlerType] = [(evt.EVT_ABORTED, _log_abort), (evt.EVT_REJECTED, _log_rejection)]
