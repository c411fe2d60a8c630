"""Threads share few heaps."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from cvai.ops.arenas import ARENAS

PROGRAM = """
import ctypes, threading
from cvai.ops.arenas import limit_arenas
limit_arenas()
libc, together = ctypes.CDLL(None), threading.Barrier(8)
def allocate():
    together.wait()
    libc.malloc(100_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="malloc is not glibc's")
def test_threads_at_the_same_time_share_few_heaps() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", PROGRAM]
    found = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
    assert 1 <= found.stdout.count(b"<heap nr=") <= ARENAS
