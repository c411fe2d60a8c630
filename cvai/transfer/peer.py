"""Remote DICOM nodes that cvai calls."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.events import EventHandlerType
from pynetdicom.presentation import PresentationContext

from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.transfer.tls import Certificate

REJECTED_PERMANENTLY = 0x01
"""Result of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A remote node.

    Args:
        ae_title: called AE title.
        host: name or address.
        port: TCP port.
        calling_ae_title: of this node.
        timeout_s: for the connection and for each response.
        tls: None without TLS.
    """

    ae_title: str
    host: str
    port: int
    calling_ae_title: str
    timeout_s: float
    tls: Certificate | None = None

    @property
    def words(self) -> str:
        """Description for messages."""
        return f"{self.ae_title} at {self.host} port {self.port}"


@contextmanager
def associated(
    peer: Peer, contexts: Iterable[PresentationContext], handlers: Iterable[EventHandlerType] = ()
) -> Iterator[Association]:
    """An association in which every context was accepted; it is released at the end.

    Raises:
        TemporarilyUnavailable: the peer does not answer, or rejects for now.
        ArchiveRejected: the peer rejects permanently, or does not support a context.
        ConfigurationInvalid: a certificate cannot be used.
    """
    entity = AE(peer.calling_ae_title)
    entity.requested_contexts = list(contexts)
    entity.connection_timeout = entity.acse_timeout = peer.timeout_s
    entity.dimse_timeout = entity.network_timeout = peer.timeout_s
    association = entity.associate(
        peer.host,
        peer.port,
        ae_title=peer.ae_title,
        tls_args=_tls_arguments(peer),
        evt_handlers=list(handlers),
    )
    try:
        if not association.is_established or association.rejected_contexts:
            raise _refusal(association, peer)
        yield association
    finally:
        if association.is_established:
            association.release()


def _tls_arguments(peer: Peer) -> tuple[ssl.SSLContext, str] | None:
    return None if peer.tls is None else (peer.tls.for_calls(), peer.host)


def _refusal(association: Association, peer: Peer) -> CvaiError:
    """The error for a missing association or rejected contexts."""
    if association.rejected_contexts:
        refused = ", ".join(sorted({str(c.abstract_syntax) for c in association.rejected_contexts}))
        return ArchiveRejected(
            "peer_lacks_support",
            f"{peer.words} does not take what is sent to it (SOP class {refused}).",
            "Its conformance statement names the SOP classes and transfer syntaxes it takes.",
        )
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None and answer.result == REJECTED_PERMANENTLY:
        return ArchiveRejected(
            "peer_denied",
            f"{peer.words} rejects calls from {peer.calling_ae_title} for good.",
            "Enter our AE title, address and port there, and check its own AE title here.",
        )
    return TemporarilyUnavailable(
        "peer_unreachable",
        f"{peer.words} cannot be called.",
        "Check that it runs and that it may be reached.",
    )
