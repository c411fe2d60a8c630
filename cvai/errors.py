"""All errors as one tree; the class decides what happens next.

::

    CvaiError
    ├── Refused                 the input cannot be analysed reliably: the job ends as refused, never retried
    │   ├── FileRefused         one file cannot be read
    │   ├── StudyRefused        the study holds nothing that can be analysed
    │   ├── GeometryRefused     slices or frames do not form one consistent stack in space and time
    │   └── HeartRefused        the heart was not found, or what was found cannot be a heart
    ├── Withheld                the analysis is stopped: its results are kept and go nowhere
    ├── Canceled                nobody wants the result any more: the job ends and stores nothing
    ├── TemporarilyUnavailable  another service did not answer: retried with backoff
    ├── DeviceFailed            a GPU or other device failed: the study is measured again on the CPU
    ├── ModelInvalid            a model file does not match its card: nothing is analysed until it is repaired
    ├── ConfigurationInvalid    a setting or an argument is wrong: reported at start, exit code 2
    ├── ArchiveRejected         the archive rejected a request for good
    ├── AccessDenied            the user is not signed in or not permitted
    ├── Outdated                the state a request was based on has changed: reload, then repeat
    └── RequestInvalid          a request is invalid or for something that does not exist

Every error has a stable ``code`` for machines, a sentence that says what was measured, and a hint that says
what to do.
"""

from __future__ import annotations

from typing import ClassVar


class CvaiError(Exception):
    """Root of the tree.

    Args:
        code: stable snake_case identifier, part of the result.json contract.
        message: what happened, with what was measured; carries UIDs at most, never patient data.
        hint: what the reader can do about it.
    """

    retry: ClassVar[bool] = False

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Refused(CvaiError):
    """The input cannot be analysed reliably; a retry with the same input changes nothing."""


class FileRefused(Refused):
    """One file cannot be read as DICOM, or its pixels cannot be decoded."""


class StudyRefused(Refused):
    """The study holds nothing that can be analysed."""


class GeometryRefused(Refused):
    """Slices or frames do not form one consistent stack in space and time."""


class HeartRefused(Refused):
    """The heart was not found, or what was found cannot be a heart."""


class Withheld(CvaiError):
    """The analysis is stopped; what it measured is kept and goes nowhere."""


class Canceled(CvaiError):
    """Nobody wants the result any more; nothing is stored."""


class TemporarilyUnavailable(CvaiError):
    """Another service did not answer or asked to come back later.

    Args:
        code, message, hint: see ``CvaiError``.
        retry_after_s: requested wait, 0 where none was stated.
    """

    retry: ClassVar[bool] = True

    def __init__(self, code: str, message: str, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(code, message, hint)
        self.retry_after_s = retry_after_s


class DeviceFailed(CvaiError):
    """The device that runs a network, its memory or its driver failed, or it does not load."""


class ModelInvalid(CvaiError):
    """A model file is missing, damaged, or does not reproduce its card's reference outputs."""


class ConfigurationInvalid(CvaiError):
    """A setting, a path or an argument is wrong."""


class ArchiveRejected(CvaiError):
    """The archive rejected a request for good."""


class AccessDenied(CvaiError):
    """The user is not signed in, or has no role that permits the request."""


class Outdated(CvaiError):
    """The state that the request was based on has changed since."""


class RequestInvalid(CvaiError):
    """The request is invalid, or for something that does not exist."""
