"""Workers needed by a hospital, a region and a nation: the table of docs/explanation/scaling.md.

``python -m benchmarks.capacity --rest-s 1.7 --infer-s 4.6 [--fetched-mb 300] [--stored-mb 6]``

``--rest-s`` and ``--infer-s`` are what a study takes on a worker, from ``make bench``.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass

STUDIES_A_DAY = {"hospital": 200, "region": 20_000, "nation": 1_000_000}
BUSIEST_HOUR = 0.15
"""Share of a day's studies."""

BUSY_AT_MOST = 0.7
MEMORY_GB = 1.0
"""Of a worker."""

COMMITS_A_STUDY = 12
DAYS = 365


@dataclass(frozen=True)
class Study:
    """What one study costs.

    Args:
        worker_s: seconds of a worker.
        fetched_mb: from the archive.
        stored_mb: into it, and kept beside it.
    """

    worker_s: float
    fetched_mb: float
    stored_mb: float


def needs(studies_a_day: int, study: Study) -> dict[str, str]:
    """One column of the table.

    >>> needs(20_000, Study(6.3, 300, 6))["workers"]
    '8'
    """
    hourly = studies_a_day * BUSIEST_HOUR
    busy = hourly * study.worker_s / 3600
    workers = max(1, math.ceil(busy / BUSY_AT_MOST))
    return {
        "studies a day": f"{studies_a_day:,}",
        "busiest hour": f"{hourly:,.0f}",
        "workers": f"{workers:,}",
        "busy in that hour": f"{100 * busy / workers:.0f} %",
        "memory": f"{workers * MEMORY_GB:,.0f} GB",
        "from the archive in that hour": f"{hourly * study.fetched_mb / 3600:,.1f} MB/s",
        "database commits in that hour": f"{hourly * COMMITS_A_STUDY / 3600:,.1f} a second",
        "results a year, where all are kept": f"{studies_a_day * DAYS * study.stored_mb / 1e6:,.1f} TB",
    }


def table(study: Study) -> str:
    """All columns, in Markdown."""
    columns = [needs(n, study) for n in STUDIES_A_DAY.values()]
    rows = [f"| {name} | {' | '.join(column[name] for column in columns)} |" for name in columns[0]]
    return "\n".join([f"| | {' | '.join(STUDIES_A_DAY)} |", "|---" * (len(columns) + 1) + "|", *rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rest-s", type=float, required=True)
    parser.add_argument("--infer-s", type=float, required=True)
    parser.add_argument("--fetched-mb", type=float, default=300.0)
    parser.add_argument("--stored-mb", type=float, default=6.0)
    arguments = parser.parse_args()
    worker_s = arguments.rest_s + arguments.infer_s
    print(table(Study(worker_s, arguments.fetched_mb, arguments.stored_mb)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
