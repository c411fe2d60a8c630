"""From the archive's event to the SR in it: a 250-frame study, a real Orthanc, a real ``cvai serve``.

``python -m benchmarks.event_to_sr [--studies 5] [--threads 2] [--record]``

One study after the other is stored by STOW. The clock runs from Orthanc's change ``StableStudy`` to the one
called ``NewInstance`` of the SR, both looked for every 20 ms from outside the service; the analysis is the
total in result.json. Synthetic studies of 10 slices x 25 phases x 256 x 256, default settings.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.burst import study_uid
from benchmarks.published import keep
from benchmarks.workers import phantoms
from cvai.dicom.write.result_json import read_entry
from cvai.phantom.parameters import PhantomAcquisition
from tests.orthanc import EXECUTABLE, PASSWORD, PLUGIN, USERNAME, Orthanc
from tests.process import CVAI, Process, ended_jobs, eventually

LOOKS_EVERY_S = 0.02
LONGEST_S = 300.0
STEPS = ("fetch", "analyse", "store")


@dataclass(frozen=True)
class Passage:
    """One study's way through the service, in ms.

    Args:
        event_to_sr_ms: by the archive's own changes.
        analysis_ms: total of result.json, from reading the files to writing the objects.
        steps_ms: the job's steps, as the service's log tells them.
    """

    event_to_sr_ms: float
    analysis_ms: float
    steps_ms: dict[str, float]

    @property
    def beside_ms(self) -> float:
        """All that is not the analysis."""
        return self.event_to_sr_ms - self.analysis_ms


@dataclass(frozen=True)
class Place:
    """An Orthanc and the service beside it."""

    orthanc: Orthanc
    service: Process
    data_folder: Path


@contextmanager
def place(root: Path, threads: int) -> Iterator[Place]:
    orthanc = Orthanc(root / "orthanc")
    orthanc.start()
    config = root / "service.toml"
    config.write_text(
        f'archive = "orthanc"\ndata_folder = "{root / "data"}"\nthreads = {threads}\n'
        f'[orthanc]\nurl = "{orthanc.url}"\nusername = "{USERNAME}"\npassword = "{PASSWORD}"\n'
    )
    service = Process([*CVAI, "serve", "--config", config], root / "service.log")
    try:
        eventually(lambda: service.events("serving"), "the service", LONGEST_S)
        yield Place(orthanc, service, root / "data")
    finally:
        service.stop()
        orthanc.stop()


def passage(at: Place, number: int, study: Path) -> Passage:
    """Store the study, which is the ``number``-th, and wait for its SR."""
    since = changes(at.orthanc, "last")["Last"]
    paths = sorted(study.rglob("*.dcm"))
    at.orthanc.stow(paths)
    # The study before is called stable once more, since results came into it.
    stable_s, since = awaited(at.orthanc, since, "StableStudy", of_study=study_uid(study))
    sr_s, _ = awaited(at.orthanc, since, "NewInstance", modality="SR")
    record = ended_jobs(at.data_folder, number, LONGEST_S)[0]
    result = read_entry(at.data_folder / "results" / str(record.outcome.result))
    steps = {line["step"]: float(line["ms"]) for line in at.service.events("step_done")}
    return Passage(1000 * (sr_s - stable_s), result["timings_ms"]["total"], steps)


def awaited(
    orthanc: Orthanc, since: int, kind: str, *, of_study: str | None = None, modality: str | None = None
) -> tuple[float, int]:
    """When the next change of this kind was seen, in monotonic seconds, and its number."""
    deadline_s = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline_s:
        page = changes(orthanc, f"since={since}&limit=1000")
        for change in page["Changes"]:
            if (
                change["ChangeType"] == kind
                and (of_study is None or uid_of_study(orthanc, change["ID"]) == of_study)
                and (modality is None or modality_of(orthanc, change["ID"]) == modality)
            ):
                return time.monotonic(), change["Seq"]
        since = page["Last"]
        time.sleep(LOOKS_EVERY_S)
    raise TimeoutError(f"no {kind} {modality or ''} in {LONGEST_S:.0f} s")


def changes(orthanc: Orthanc, query: str) -> dict[str, Any]:
    answer = orthanc.session.get(f"{orthanc.url}/changes?{query}", timeout=LONGEST_S)
    answer.raise_for_status()
    return dict(answer.json())


def uid_of_study(orthanc: Orthanc, identifier: str) -> str:
    answer = orthanc.session.get(f"{orthanc.url}/studies/{identifier}", timeout=LONGEST_S)
    answer.raise_for_status()
    return str(answer.json()["MainDicomTags"]["StudyInstanceUID"])


def modality_of(orthanc: Orthanc, identifier: str) -> str:
    answer = orthanc.session.get(f"{orthanc.url}/instances/{identifier}/content/0008-0060", timeout=LONGEST_S)
    answer.raise_for_status()
    return answer.text.strip()


def print_table(passages: list[Passage], threads: int) -> None:
    table = Table(
        title=f"event to SR, 250 frames, {len(passages)} studies, {threads} threads, {os.cpu_count()} cores",
        title_justify="left",
    )
    table.add_column("ms")
    for heading in ("median", "min", "max"):
        table.add_column(heading, justify="right")
    rows = {
        "event to SR stored": [p.event_to_sr_ms for p in passages],
        "the analysis itself": [p.analysis_ms for p in passages],
        "all else": [p.beside_ms for p in passages],
        **{f"step {name}": [p.steps_ms[name] for p in passages] for name in STEPS},
    }
    for name, values in rows.items():
        table.add_row(name, *(f"{f(values):.0f}" for f in (statistics.median, min, max)))
    Console().print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="keep the medians for the documents")
    asked = parser.parse_args()
    if EXECUTABLE is None or not PLUGIN.exists():
        print("event to SR: needs Orthanc and its DICOMweb plugin (Debian: orthanc, orthanc-dicomweb)")
        return 1
    with tempfile.TemporaryDirectory(prefix="cvai-event-") as name:
        root = Path(name)
        # The first study warms the service up, as all but the first of a day find it.
        studies = phantoms(root / "studies", asked.studies + 1, PhantomAcquisition(n_slices=10))
        with place(root, asked.threads) as at:
            passages = [passage(at, number, study) for number, study in enumerate(studies, start=1)]
    print_table(passages[1:], asked.threads)
    if asked.record:
        medians = {
            "event_to_sr_ms": statistics.median(p.event_to_sr_ms for p in passages[1:]),
            "beside_ms": statistics.median(p.beside_ms for p in passages[1:]),
        }
        keep("event_to_sr", medians)
    return 0


if __name__ == "__main__":
    sys.exit(main())
