"""Collection without what makes it long.

Doctests are collected from modules with examples only: a look into all others costs a quarter of it.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from pathlib import Path

import pytest

Collectors = list[pytest.Collector]


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, Collectors, Collectors]:
    """Leave a module without an example to the other collectors."""
    found = yield
    if any(_is_doctest(collector) for collector in found) and ">>>" not in file_path.read_text("utf-8"):
        return [collector for collector in found if not _is_doctest(collector)]
    return found


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave modules and tests out of every later search for garbage, which takes half a second with them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _is_doctest(collector: pytest.Collector) -> bool:
    return type(collector).__name__ == "DoctestModule"
