"""A bar for copies, on the terminal of whoever waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from cvai.ops.backup.files import Advance


class ByteBar:
    """Shows how many of all bytes have been copied, on stderr, where that is a terminal.

    Args:
        what: is being done.
        hidden: show nothing in any case.
    """

    def __init__(self, what: str, hidden: bool) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        shown = console.is_terminal and not hidden
        self._progress = Progress(*columns, console=console, transient=True, disable=not shown)
        self._what = what

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it while the block lasts."""
        with self._progress:
            yield

    def of(self, total: int) -> Advance:
        """Begin to count, up to ``total``."""
        return partial(self._progress.advance, self._progress.add_task(self._what, total=total))
