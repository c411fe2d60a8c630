"""cvai: measurements of the heart from MR and ultrasound, written back into the study they came from.

For programs: ``analyze``, ``segment``, ``read`` and ``Result``; everything else is private and may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvai.api import Result, analyze, read, segment

__version__ = "0.2.0"
__all__ = ["Result", "__version__", "analyze", "read", "segment"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: a version number or a help page needs no numpy."""
    if name in __all__:
        return getattr(import_module("cvai.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
