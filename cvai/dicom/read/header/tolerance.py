"""Reading real headers without being stopped, or flooded, by values that break the standard's letter."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pydicom import config

_lock = threading.Lock()
_users = 0
_while_in_use = ExitStack()
"""Undoes the change of pydicom's settings when the last user leaves; the settings are process-wide, and so is
this count of those who need them, which lets several threads read at once."""


@contextmanager
def tolerating_values() -> Iterator[None]:
    """While open, pydicom hands out values as they are written, without warning or logging about them.

    UID components with leading zeros, a StudyDate of ``20120000`` and their like stand in real studies and
    change no measurement; pydicom's warnings would repeat header values in the log. Values that cannot be
    decoded at all still raise. Reading and writing of source attributes both need it; it may be nested and
    used from several threads.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users  # noqa: PLW0603 -- counts the users of pydicom's own process-wide settings
    with _lock:
        if _users == 0:
            _while_in_use.enter_context(config.disable_value_validation())
            _while_in_use.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"pydicom\.")
            logger = logging.getLogger("pydicom")
            _while_in_use.callback(setattr, logger, "disabled", logger.disabled)
            logger.disabled = True
        _users += 1


def _leave() -> None:
    global _users  # noqa: PLW0603
    with _lock:
        _users -= 1
        if _users == 0:
            _while_in_use.close()
