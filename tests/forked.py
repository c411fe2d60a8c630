"""``python -m MODULE`` without its imports: forked from a process that has imported the service already.

Importing the service takes three seconds of a core, and tests start it many times. Under
pytest ``tests.process`` starts it this way; benchmarks start a fresh interpreter.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")


class Forked:
    """A module that runs in a process of its own, with the methods of ``subprocess.Popen`` that tests use."""

    def __init__(
        self, module: Sequence[str], environment: Mapping[str, str], stdout: Path, stderr: Path
    ) -> None:
        """``module`` is its name and its arguments."""
        _CONTEXT.set_forkserver_preload(["tests.preloaded"])
        self._module = list(module)
        os.umask(umask := os.umask(0))
        self._process = _CONTEXT.Process(
            target=_run, args=(self._module, dict(environment), umask, stdout, stderr), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self._module, timeout)
        return status


def _run(module: list[str], environment: dict[str, str], umask: int, stdout: Path, stderr: Path) -> None:
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for path, stream in ((stdout, sys.__stdout__), (stderr, sys.__stderr__)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = module
    runpy.run_module(module[0], run_name="__main__", alter_sys=True)
