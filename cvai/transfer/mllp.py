"""HL7 v2 messages over MLLP, the Minimal Lower Layer Protocol, each acknowledged before the next.

The answer decides as chapter 2 of the standard says (2.5.1, section 2.9.2): an error (AE, CE) is about the
message and stays one when it is sent again; a rejection (AR, CR) is about the receiver, which is asked again,
unless its code says that it will never take such a message.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cvai.archive.odd import OddAnswers
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.transfer.tls import Certificate

START_BLOCK, END_BLOCK = b"\x0b", b"\x1c"
CARRIAGE_RETURN = b"\r"
LARGEST_ANSWER_BYTES = 100_000
CHUNK_BYTES = 4096

ACCEPTED = frozenset({"AA", "CA"})
ABOUT_THE_MESSAGE = frozenset({"AE", "CE"})
ACKNOWLEDGEMENTS = ACCEPTED | ABOUT_THE_MESSAGE | {"AR", "CR"}
"""Acknowledgment codes (table 0008), of original and enhanced mode."""

TRANSIENT_ERRORS = frozenset({"206", "207"})
"""Application record locked, application internal error (table 0357)."""

ERROR_CODE = re.compile(r"[12]0[0-7]")
"""Message error condition codes (table 0357)."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An answer: its code of table 0008, and error codes of table 0357."""

    code: str
    errors: tuple[str, ...]

    @property
    def words(self) -> str:
        """The codes for messages; an answer's texts may quote patient data."""
        return " ".join((self.code, *self.errors))

    @property
    def is_final_no(self) -> bool:
        """Whether sending the same again is pointless."""
        if TRANSIENT_ERRORS.intersection(self.errors):
            return False
        return self.code in ABOUT_THE_MESSAGE or bool(self.errors)


@dataclass(frozen=True, slots=True)
class MllpReceiver:
    """A system that takes HL7 messages.

    Args:
        host: name or address.
        port: TCP port.
        timeout_s: for the connection, and for a whole answer.
        tls: None without TLS.
        odd: counts answers that are no acknowledgement.
    """

    host: str
    port: int
    timeout_s: float
    tls: Certificate | None
    odd: OddAnswers

    @property
    def words(self) -> str:
        """Description for messages."""
        return f"the HL7 receiver at {self.host} port {self.port}"

    def send(self, text: str, control_id: str) -> None:
        """Send a message and wait until it is acknowledged.

        Args:
            text: with its segments' ends.
            control_id: of the message (MSH-10).

        Raises:
            TemporarilyUnavailable: ``hl7_unreachable``: no answer, or none to this message; ``hl7_busy``.
            ArchiveRejected: ``hl7_rejected``.
            ConfigurationInvalid: a certificate cannot be used.
        """
        with self._connected() as connection:
            connection.sendall(START_BLOCK + text.encode() + END_BLOCK + CARRIAGE_RETURN)
            answer = self._answer(connection)
        found = acknowledgement(answer, control_id)
        if found is None:
            self.odd.note("hl7", "acknowledgement", "no_acknowledgement")
            raise self._unreachable("the answer does not acknowledge this message")
        if found.code not in ACCEPTED:
            raise self._refusal(found)

    def probe(self) -> str:
        """Connect, with TLS where it is configured, and send nothing.

        Returns:
            What answered.

        Raises:
            TemporarilyUnavailable, ConfigurationInvalid: as ``send``.
        """
        with self._connected():
            return f"{self.words} answers{' with TLS' if self.tls else ''}"

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        context = None if self.tls is None else self.tls.for_calls()
        try:
            with socket.create_connection((self.host, self.port), self.timeout_s) as plain:
                if context is None:
                    yield plain
                else:
                    with context.wrap_socket(plain, server_hostname=self.host) as encrypted:
                        yield encrypted
        except TimeoutError as error:
            raise self._unreachable(f"no answer within {self.timeout_s:g} s") from error
        except ssl.SSLError as error:
            raise self._unreachable(f"TLS failed: {error.reason}") from error
        except OSError as error:
            raise self._unreachable(error.strerror or type(error).__name__) from error

    def _answer(self, connection: socket.socket) -> bytes:
        """The content of the first block of an answer."""
        received, deadline_s = b"", time.monotonic() + self.timeout_s
        while END_BLOCK not in received:
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise TimeoutError
            connection.settimeout(remaining_s)
            chunk = connection.recv(CHUNK_BYTES)
            if not chunk:
                raise self._unreachable("the connection was closed before the end of an answer")
            received += chunk
            if len(received) > LARGEST_ANSWER_BYTES:
                self.odd.note("hl7", "acknowledgement", "too_large")
                raise self._unreachable(f"an answer of more than {LARGEST_ANSWER_BYTES} bytes")
        return received.partition(END_BLOCK)[0].rpartition(START_BLOCK)[2]

    def _unreachable(self, reason: str) -> TemporarilyUnavailable:
        return TemporarilyUnavailable(
            "hl7_unreachable",
            f"{self.words} has not acknowledged a message: {reason}.",
            "Check that it runs, that it may be reached, and its TLS settings.",
        )

    def _refusal(self, found: Acknowledgement) -> CvaiError:
        message = f"{self.words} answered {found.words} to a message."
        if found.is_final_no:
            return ArchiveRejected(
                "hl7_rejected",
                message,
                "Codes are of HL7 tables 0008 and 0357; the receiver's log says more.",
            )
        return TemporarilyUnavailable("hl7_busy", message, "The message is sent again.")


def acknowledgement(answer: bytes, control_id: str) -> Acknowledgement | None:
    """The acknowledgement of the message with this control ID; None where the answer is something else.

    Only what decides is read, so that answers of any version of HL7 are understood.
    """
    lines = re.split(r"[\r\n]+", answer.decode("utf-8", errors="replace").strip())
    header = lines[0]
    if not header.startswith("MSH") or len(header) < len("MSH|^~\\&"):
        return None
    bar, component, subcomponent = header[3], header[4], header[7]
    segments = [line.split(bar) for line in lines]
    answers = [fields for fields in segments if fields[0] == "MSA" and len(fields) > 2]
    if not answers or answers[0][1] not in ACKNOWLEDGEMENTS or answers[0][2].strip() != control_id:
        return None
    errors = [fields for fields in segments if fields[0] == "ERR"]
    stated = [part for fields in errors for part in _error_codes(fields, component, subcomponent)]
    return Acknowledgement(answers[0][1], tuple(filter(ERROR_CODE.fullmatch, stated)))


def _error_codes(fields: list[str], component: str, subcomponent: str) -> Iterator[str]:
    """Where versions 2.5 and later (ERR-3) and earlier ones (ERR-1) state what was wrong."""
    if len(fields) > 3:
        yield fields[3].split(component)[0].strip()
    location = fields[1].split(component) if len(fields) > 1 else []
    if len(location) > 3:
        yield location[3].split(subcomponent)[0].strip()
