"""An HL7 receiver on loopback by another library, python-hl7, that answers as well or as badly as told."""

from __future__ import annotations

import asyncio
import random
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import hl7
from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server

from tests.orthanc import free_port

LATE_S, CLOSING_S = 0.6, 0.05
LARGEST_MESSAGE_BYTES = 2**26

MISBEHAVIOURS = ("never", "closes", "half", "garbage", "other", "endless")
"""And ``late``; every other answer is a code of table 0008, with one of table 0357 behind a colon."""


@dataclass
class Hl7Receiver:
    """What was received, and how the next messages are answered; AA when no answer is left.

    ``texts`` are the messages as received; ``known`` those that were not repeats by their control ID.
    """

    answers: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    known: dict[str, hl7.Message] = field(default_factory=dict)
    port: int = 0

    @property
    def messages(self) -> list[hl7.Message]:
        return list(self.known.values())

    @property
    def statuses(self) -> list[str]:
        """Result status of every message that was no repeat."""
        return [str(message.segment("OBR")[25]) for message in self.messages]

    async def talk(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        """Take one message of a connection and answer it."""
        try:
            await self._answer(await reader.readmessage(), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()  # over TLS an orderly end would wait for the other side
        finally:
            writer.close()

    async def _answer(self, message: hl7.Message, writer: HL7StreamWriter) -> None:
        self.texts.append(str(message))
        kind = self.answers.pop(0) if self.answers else "AA"
        code, _, error = kind.partition(":")
        answer = message.create_ack(code if len(code) == 2 else "AA")
        match kind:
            case "never":
                await asyncio.sleep(10 * LATE_S)
            case "late":
                await asyncio.sleep(LATE_S)
            case "closes":
                return
            case "half":
                writer.write(b"\x0bMSH|^~\\&|EHR")
                return
            case "garbage":
                writer.writeblock(b"\xff\x00<html>500</html>")
                return
            case "endless":
                writer.write(b"\x0b" + b"A" * 200_000)
                return
            case "other":
                answer.segment("MSA")[2] = "ANOTHER"
        if code in ("AA", "CA", "late"):
            self.known.setdefault(str(message.segment("MSH")[10]), message)
        told = str(answer) + (f"ERR|||{error}^Müller's record is locked^HL70357|E\r" if error else "")
        writer.writeblock(told.encode())
        await writer.drain()


@contextmanager
def running_receiver(
    *answers: str,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    receiver: Hl7Receiver | None = None,
) -> Iterator[Hl7Receiver]:
    """A receiver in a thread, a new one or one that was there before; its answers in order."""
    receiver = receiver or Hl7Receiver()
    receiver.answers = list(answers)
    started, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        server = await start_hl7_server(
            receiver.talk, "127.0.0.1", port, limit=LARGEST_MESSAGE_BYTES, encoding="utf-8", ssl=tls
        )
        receiver.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        # What was accepted before has to be attached before the server closes, and closes in later turns.
        await asyncio.sleep(CLOSING_S)
        server.close()
        await asyncio.sleep(CLOSING_S)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(5)
    try:
        yield receiver
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(5)


class DyingReceiver:
    """A receiver at one port that dies and comes back, and often answers badly, until it is ``calm``."""

    ANSWERS = ("AA", "AA", "AA", "CA", "AR", "AE:207", "late", "closes", "half", "garbage", "other", "never")

    def __init__(self, seed: int) -> None:
        self.receiver = Hl7Receiver(port=free_port())
        self._chance = random.Random(seed)  # noqa: S311 - instants, no secrets
        self._calm, self._ended = threading.Event(), threading.Event()

    def calm(self) -> None:
        """Live on and answer well."""
        self._calm.set()

    @contextmanager
    def running(self) -> Iterator[Hl7Receiver]:
        thread = threading.Thread(target=self._live, daemon=True)
        thread.start()
        try:
            yield self.receiver
        finally:
            self._ended.set()
            thread.join(10)

    def _live(self) -> None:
        while not self._ended.is_set():
            calm = self._calm.is_set()
            answers = () if calm else self._chance.choices(self.ANSWERS, k=50)
            with running_receiver(*answers, port=self.receiver.port, receiver=self.receiver):
                self._ended.wait(None if calm else self._chance.uniform(0.2, 2.0))
            self._ended.wait(self._chance.uniform(0.1, 1.0))
