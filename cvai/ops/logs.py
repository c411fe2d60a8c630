"""Logs as JSON lines on stderr; with identifiers of studies and jobs, never patient data."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

from cvai.ops.folding import Folding

QUOTES_DATA = ("pydicom", "pynetdicom", "py.warnings")
"""Loggers whose lines quote values of DICOM attributes."""


class _ForeignLines(logging.Handler):
    """Logs lines of other packages without exception texts, which may quote anything."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(record.levelno, "foreign", line=record.getMessage())


class _Unfailing(io.TextIOBase):
    """Writes to a stream and ignores failures: logs may be on a full disk."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        with suppress(OSError, ValueError):  # the latter where it is closed
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def configure_logs(level: str) -> None:
    """Send all logs of this process to stderr as JSON, from ``level`` on."""
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            Folding(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unfailing(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(capture=True)
    handler = _ForeignLines()
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in QUOTES_DATA:
        _silence(logging.getLogger(name))
    _hand_over(logging.getLogger("dbos"), handler)


def log_to_stderr() -> None:
    """Send log lines of a command to stderr, since its data go to stdout."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def _silence(logger: logging.Logger) -> None:
    logger.handlers, logger.propagate = [logging.NullHandler()], False


def _hand_over(logger: logging.Logger, handler: logging.Handler) -> None:
    """DBOS adds a console of its own to a logger that has no handler yet."""
    logger.handlers, logger.propagate = [handler], False
