"""``cvai``, which on SIGUSR1 gives freed memory back to the system and says how much it keeps.

``python -m benchmarks.soak_service KEPT serve ...``

Resident memory alternates by 20 MB with what the allocator has freed and not returned, which hides a growth
of a kilobyte a study for thousands of studies. What is kept after a collection and ``malloc_trim`` does not.
The line appended to the file KEPT is the memory in MB. Of the files of past studies it remembers those of
``REMEMBERED_STUDIES``, so that this growth ends soon.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from functools import partial
from pathlib import Path

from cvai.archive.folder import fingerprints, identities
from cvai.cli.main import run
from tests.hospital import resident_mb

REMEMBERED_STUDIES = 128
"""A service remembers 1,024: 7 kB of each of these phantoms, 7 MB in all."""


def trim(kept: Path, *_signal: object) -> None:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with kept.open("a") as file:
        file.write(f"{resident_mb(os.getpid())}\n")


def main() -> None:
    kept = Path(sys.argv.pop(1))
    fingerprints.STUDIES_AT_MOST = identities.STUDIES_AT_MOST = REMEMBERED_STUDIES
    signal.signal(signal.SIGUSR1, partial(trim, kept))
    run()


if __name__ == "__main__":
    main()
