"""How far an evaluation has come, on stderr."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def shown(items: Iterable[Item], doing: str, total: int) -> Iterable[Item]:
    """The items, behind a progress bar that goes when they have gone."""
    return track(items, doing, total=total, console=Console(stderr=True), transient=True)
