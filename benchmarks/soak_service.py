"""``cvai``, which on SIGUSR1 says how much memory it has allocated.

``PYTHONMALLOC=malloc python -m benchmarks.soak_service ALLOCATED serve ...``

Resident memory also holds what was freed and not returned to the system. It alternates by 20 MB and hides
a growth of a kilobyte a study for thousands of studies. What is allocated after a collection does not
alternate, and is known to the byte where Python, too, allocates by ``malloc``. The line appended to the file
ALLOCATED is that memory in MB without SQLite's, and then SQLite's, whose page caches fill to a bound of their
own. Of the files of past studies the service remembers those of
``REMEMBERED_STUDIES``, so that this growth ends soon.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import signal
import sys
from functools import partial
from pathlib import Path

from cvai.archive.folder import fingerprints, identities
from cvai.cli.main import run

REMEMBERED_STUDIES = 128
"""A service remembers 1,024: 7 kB of each of these phantoms, 7 MB in all."""


class Mallinfo2(ctypes.Structure):
    """What ``mallinfo2`` of the GNU C library tells of all arenas, in bytes or pieces."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def allocated_mb() -> float:
    """What ``malloc`` has given out and not got back: within the arenas, and as mappings of their own."""
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = Mallinfo2
    told = library.mallinfo2()
    return float(told.uordblks + told.hblkhd) / 1e6


def sqlite_mb() -> float:
    """What SQLite has allocated; 0 where Python does not use the system's library."""
    name = ctypes.util.find_library("sqlite3")
    if name is None:
        return 0.0
    library = ctypes.CDLL(name)
    library.sqlite3_memory_used.restype = ctypes.c_int64
    return float(library.sqlite3_memory_used()) / 1e6


def tell(told: Path, *_signal: object) -> None:
    gc.collect()
    of_sqlite = sqlite_mb()
    with told.open("a") as file:
        file.write(f"{allocated_mb() - of_sqlite} {of_sqlite}\n")


def main() -> None:
    told = Path(sys.argv.pop(1))
    fingerprints.STUDIES_AT_MOST = identities.STUDIES_AT_MOST = REMEMBERED_STUDIES
    signal.signal(signal.SIGUSR1, partial(tell, told))
    run()


if __name__ == "__main__":
    main()
