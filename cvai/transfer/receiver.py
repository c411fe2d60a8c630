"""Receives studies by C-STORE; instances are on disk, unchanged, before they are confirmed."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import cast

import structlog
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, build_context, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext

from cvai.archive.part10 import FileIdentity, identity_in, write_durably
from cvai.dicom.read.classes import CAN_HOLD_A_CINE

log = structlog.get_logger(__name__)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xA900
CANNOT_UNDERSTAND = 0xC000
"""Statuses of C-STORE (PS3.4 table B.2-1)."""

STORAGE_CONTEXTS: tuple[PresentationContext, ...] = tuple(
    build_context(sop_class, ALL_TRANSFER_SYNTAXES)
    for sop_class in sorted(
        {str(c.abstract_syntax) for c in AllStoragePresentationContexts} | CAN_HOLD_A_CINE
    )
)
"""Every storage SOP class in every transfer syntax, since nothing is decoded. pynetdicom does not list the
retired classes that are measured."""


class InboxReceiver:
    """Writes received instances into the inbox, in a folder per study.

    The inbox's feed imports the study once nothing has been received for a while. When an association is
    aborted, unconfirmed instances are sent again and replace those already written.

    Args:
        inbox: folder that ``InboxFeed`` watches.
    """

    def __init__(self, inbox: Path) -> None:
        self._inbox = inbox

    @property
    def handlers(self) -> list[EventHandlerType]:
        """Event handlers for a node."""
        return [(evt.EVT_C_STORE, self.store)]

    def store(self, event: Event) -> int:
        """Write the data set of a C-STORE request byte for byte; returns the status."""
        data = event.encoded_dataset()
        identity = identity_in(BytesIO(data))
        if identity is None:
            log.warning("instance_not_understood", bytes=len(data))
            return CANNOT_UNDERSTAND
        if not _is_what_was_announced(identity, event):
            log.warning("instance_differs_from_request", instance=identity.sop_instance_uid)
            return DATA_SET_DOES_NOT_MATCH_SOP_CLASS
        return self._kept(identity, data)

    def _kept(self, identity: FileIdentity, data: bytes) -> int:
        path = self._inbox / identity.study_uid / f"{identity.sop_instance_uid}.dcm"
        try:
            write_durably(path, data)
        except OSError as error:
            log.error("instance_not_kept", instance=identity.sop_instance_uid, reason=error.strerror)
            return OUT_OF_RESOURCES
        return SUCCESS


def _is_what_was_announced(identity: FileIdentity, event: Event) -> bool:
    """Whether the data set is the instance that the request names."""
    request = cast("C_STORE", event.request)
    announced = (str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID))
    return announced == (identity.sop_class_uid, identity.sop_instance_uid)
