"""Running one case: its script, then cvai on what it wrote, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.case_list import OWN, SOURCES, Case, How
from benchmarks.case_seen import Seen
from cvai.jobs.job import JobState, Outcome
from tests.conftest import ROOT
from tests.orthanc import free_port
from tests.process import CVAI, Process, jobs

LONGEST_S = 900.0
"""Of one command, on a busy machine."""

SERVED_WITHIN_S = 240.0
SHOWN_WITHIN_S = 60.0
"""After a job has ended the archive shows what was stored; one of them takes half a minute."""

SERVICE_LOG = "service.log"
PATIENT_SETTINGS = "threads = 1\npoll_interval_s = 1\n"


class Runs:
    """Runs cases below a folder; sources are made once, and analysed where a case is compared with them."""

    def __init__(self, scripts: Path, root: Path) -> None:
        self._scripts, self._root = scripts, root
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def seen(self, case: Case) -> Seen:
        """What cvai makes of a case."""
        folder = self._root / case.name.replace(" ", "_").replace(",", "+")
        folder.mkdir(parents=True)
        if case.how is How.SERVE_DICOMWEB:
            return self._served_beside(case, folder)
        written = folder / ("in.nii" if case.how is How.SEGMENT else "in")
        script = self._script(case)
        ended = _run([*script, *self._filled(case, written)])
        if ended.returncode != 0:
            return Seen("failed", text=f"the script ended with {_last_line(ended.stderr)}")
        if case.how is How.SEGMENT:
            return _segmented(written, folder / "results")
        if case.how is How.SERVE:
            return _served_folder(written, folder)
        return _analysed(written, folder / "results")

    def honest(self, source: str) -> Seen:
        """What cvai makes of a source as it is; of ``nifti`` the labels of the plain image."""
        with self._lock_of(f"honest {source}"):
            if source not in self._seen:
                self._seen[source] = self._honest(source)
            return self._seen[source]

    def _honest(self, source: str) -> Seen:
        results = self._root / "honest" / source
        if source != "nifti":
            return _analysed(self._source(source), results)
        results.mkdir(parents=True)
        script = [sys.executable, self._scripts / "nifti_variants.py"]
        _run([*script, self._source("rest"), results / "in.nii", "plain"])
        return _segmented(results / "in.nii", results)

    def _source(self, name: str) -> Path:
        folder = self._root / "sources" / name
        with self._lock_of(f"source {name}"):
            if not folder.exists():
                made = _run([*CVAI, "phantom", folder, *SOURCES[name].split()])
                if made.returncode != 0:
                    raise RuntimeError(f"cvai phantom ended with {_last_line(made.stderr)}")
        return folder / "dicom"

    def _lock_of(self, name: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(name, threading.Lock())

    def _script(self, case: Case) -> list[str | Path]:
        if case.script in OWN:
            return [sys.executable, "-m", f"benchmarks.{case.script}"]
        return [sys.executable, self._scripts / f"{case.script}.py"]

    def _filled(self, case: Case, out: Path) -> list[str]:
        """A script's arguments with folders in their places."""
        words = case.arguments.split()
        folders = {f"{{{name}}}": self._source(name) for name in SOURCES if f"{{{name}}}" in words}
        return [str({**folders, "{out}": out}.get(word, word)) for word in words]

    def _served_beside(self, case: Case, folder: Path) -> Seen:
        """The service beside an archive that is the case's script."""
        port = free_port()
        archive = Process(
            [*self._script(case), str(port), *self._filled(case, folder)], folder / "archive.log"
        )
        settings = (
            f'archive = "dicomweb"\ndata_folder = "{folder / "data"}"\n{PATIENT_SETTINGS}'
            f'[dicomweb]\nurl = "http://127.0.0.1:{port}/dw"\nsettle_s = 2\n'
        )
        try:
            with _service(folder, settings) as service:
                seen = _of_service(service, folder / "data")
                return seen if seen.status != "analysed" else _if_stored(seen, service, port)
        finally:
            archive.kill()


def _run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=_environment(os.environ),
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )


def _environment(around: Mapping[str, str]) -> dict[str, str]:
    """One thread a process: several cases run at once."""
    return {**around, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "1000"}


def _analysed(source: Path, results: Path) -> Seen:
    ended = _run([*CVAI, "analyze", source, "--out", results, "--threads", "1", "--json"])
    if ended.returncode not in (0, 3):
        return Seen("failed", text=_last_line(ended.stderr), source=source, results=results)
    found = json.loads(ended.stdout)
    if len(found) != 1:
        return Seen("failed", text=f"{len(found)} studies instead of one", source=source, results=results)
    return replace(seen_in(found[0]), source=source, results=results)


def seen_in(result: dict) -> Seen:  # type: ignore[type-arg]
    """What a result.json states; of several analyses, the first that measured."""
    analyses = result["analyses"]
    found = next((a for a in analyses if a["status"] == "analysed"), analyses[0] if analyses else {})
    refusal = result["refused"] or {"code": "", "message": ""}
    return Seen(
        status=result["status"],
        code=refusal["code"],
        text=refusal["message"],
        numbers={m["name"]: m["value"] for m in found.get("measurements") or []},
        series_uid=found.get("series_uid") or "",
        findings={f["code"]: (f["severity"], f["message"]) for f in found.get("findings") or []},
        excluded={p["series_uid"]: p["reason"] for p in found.get("excluded") or []},
    )


def _segmented(source: Path, results: Path) -> Seen:
    results.mkdir(parents=True, exist_ok=True)
    ended = _run([*CVAI, "segment", source, results / "labels.nii.gz", "--threads", "1"])
    if ended.returncode == 0:
        return Seen("labelled", results=results)
    lines = ended.stderr.strip().splitlines()
    if ended.returncode != 3 or "Traceback" in ended.stderr or "hint:" not in ended.stderr:
        return Seen("failed", text=_last_line(ended.stderr), results=results)
    code, _, sentence = lines[0].partition(": ")
    return Seen("refused", code=code, text=sentence, results=results)


def _served_folder(source: Path, folder: Path) -> Seen:
    settings = f'data_folder = "{folder / "data"}"\n{PATIENT_SETTINGS}[folder]\nsettle_s = 2\n'
    with _service(folder, settings) as service:
        inbox = folder / "data" / "inbox"
        inbox.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, inbox / "study")
        return _of_service(service, folder / "data")


@contextmanager
def _service(folder: Path, settings: str) -> Iterator[Process]:
    config = folder / "service.toml"
    config.write_text(settings)
    service = Process([*CVAI, "serve", "--config", config], folder / SERVICE_LOG)
    try:
        yield service
    finally:
        if service.died() is None:
            service.kill()


def _of_service(service: Process, data: Path) -> Seen:
    """What becomes of the study that it meets: what was analysed of it, else why nothing was."""
    until_s = time.monotonic() + SERVED_WITHIN_S
    while time.monotonic() < until_s:
        if (status := service.died()) is not None:
            return Seen("failed", text=f"the service ended with status {status}")
        if (outcome := _told_first([job.outcome for job in jobs(data)])) is not None:
            return _of_outcome(outcome, data)
        if service.count("nothing_to_do"):
            return Seen("refused", code="nothing_to_measure", text="no job, the service goes on")
        time.sleep(1.0)
    events = [
        str(line["event"]) for line in _log_lines(data.parent / SERVICE_LOG) if line.get("level") == "warning"
    ]
    if events and "feed_not_followed" not in events:
        return Seen("refused", code=events[0], text="put aside, the service goes on")
    return Seen(
        "failed", text=f"no job ended within {SERVED_WITHIN_S:.0f} s; {', '.join(sorted(set(events)))}"
    )


def _told_first(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Of the ends of all analyses the one that counts; None while one of them goes on."""
    if any(outcome.state in (JobState.QUEUED, JobState.RUNNING) for outcome in outcomes):
        return None
    order = (
        JobState.ANALYSED,
        JobState.FAILED,
        JobState.DEAD_LETTER,
        JobState.REFUSED,
        JobState.NOTHING_TO_DO,
    )
    ended = [outcome for outcome in outcomes if outcome.state in order]
    return min(ended, key=lambda outcome: order.index(outcome.state), default=None)


def _of_outcome(outcome: Outcome, data: Path) -> Seen:
    if outcome.state not in (JobState.ANALYSED, JobState.REFUSED):
        return Seen("failed", text=f"the job ended as {outcome.state} {outcome.code}")
    written = data / "results" / outcome.result
    if not written.is_file() and outcome.state is JobState.REFUSED:
        return Seen("refused", code=outcome.code)
    if not written.is_file():
        return Seen("failed", text="the job has no result.json")
    return seen_in(json.loads(written.read_text()))


def _log_lines(log: Path) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def _if_stored(seen: Seen, service: Process, port: int) -> Seen:
    """Whether the archive holds the results, and the service goes on."""
    until_s = time.monotonic() + SHOWN_WITHIN_S
    while time.monotonic() < until_s:
        if "DOC" in _modalities(port):
            break
        time.sleep(1.0)
    else:
        return Seen("failed", text="the archive does not show the results")
    return seen if service.died() is None else Seen("failed", text="the service ended after it stored")


def _modalities(port: int) -> set[str]:
    root = f"http://127.0.0.1:{port}/dw/studies"
    (study,) = _json(f"{root}?limit=1")
    series = _json(f"{root}/{study['0020000D']['Value'][0]}/series?limit=50")
    return {str(row["00080060"]["Value"][0]) for row in series}


def _json(url: str) -> list[dict]:  # type: ignore[type-arg]
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - the case's own archive on loopback
        return json.loads(answer.read())  # type: ignore[no-any-return]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "nothing said"
