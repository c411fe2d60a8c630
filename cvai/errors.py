"""Everything that can go wrong, as one tree; the class decides what happens next.

::

    CvaiError
    ├── Refused                 the input cannot be analysed honestly: the job ends as refused, never retried
    │   ├── FileRefused         one file cannot be read
    │   ├── StudyRefused        the study holds nothing that can be analysed
    │   ├── GeometryRefused     slices or frames do not form one honest stack in space and time
    │   └── HeartRefused        the heart was not found, or what was found cannot be a heart
    ├── TemporarilyUnavailable  somebody else's service did not answer: retried with backoff
    ├── ModelInvalid            a model file does not match its card: nothing is analysed until it is mended
    ├── ConfigurationInvalid    a setting or an argument is wrong: told at start, exit code 2
    ├── ArchiveRejected         the archive answered, and the answer was a final no
    ├── AccessDenied            who asks is not signed in, or may not: the reader's page says how to get in
    ├── Outdated                what a request was based on has changed meanwhile: look again, then repeat it
    └── RequestInvalid          a request asks for what there is not, or holds what makes no sense

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
    """The input cannot be analysed honestly; trying again with the same input changes nothing."""


class FileRefused(Refused):
    """One file cannot be read as DICOM, or its pixels cannot be decoded."""


class StudyRefused(Refused):
    """The study holds nothing that can be analysed."""


class GeometryRefused(Refused):
    """Slices or frames do not form one honest stack in space and time."""


class HeartRefused(Refused):
    """The heart was not found, or what was found cannot be a heart."""


class TemporarilyUnavailable(CvaiError):
    """Another service did not answer or asked to come back later.

    Args:
        code, message, hint: see ``CvaiError``.
        retry_after_s: for how long it asks to be left alone, 0 where it does not say.
    """

    retry: ClassVar[bool] = True

    def __init__(self, code: str, message: str, hint: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(code, message, hint)
        self.retry_after_s = retry_after_s


class ModelInvalid(CvaiError):
    """A model file is missing, damaged, or does not reproduce its card's reference outputs."""


class ConfigurationInvalid(CvaiError):
    """A setting, a path or an argument is wrong."""


class ArchiveRejected(CvaiError):
    """The archive answered with a final no."""


class AccessDenied(CvaiError):
    """Who asks is not signed in, or has a role that does not allow it."""


class Outdated(CvaiError):
    """Somebody else was faster: what the request was based on is not what stands now."""


class RequestInvalid(CvaiError):
    """A request asks for what there is not, or holds what makes no sense."""
