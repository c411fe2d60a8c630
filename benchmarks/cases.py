"""Every script of CVAI_CASES with each of its variants: is cvai right, or does it refuse what it should?

Each script makes a small study, image or archive with a blemish that hospitals deliver; its docstring says
what is right. What cvai makes of it is compared with what it makes of the same study without the blemish, in
the same run. One line a case; exit status 0 when all are right, 1 otherwise. A script that is not known here
is listed and not judged. Inputs and results lie in a folder that is removed at the end, or that --keep names.

Examples:
  python -m benchmarks.cases
  python -m benchmarks.cases --only slices_out_of_step
  python -m benchmarks.cases --only "slices_out_of_step 4 unseen" --keep /tmp/case
  python -m benchmarks.cases --only nifti --only echo --json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.case_list import OWN, Case, cases
from benchmarks.case_runs import Runs
from benchmarks.case_seen import Seen, verdict
from tests.conftest import ROOT

RIGHT, WRONG, NOT_JUDGED = "right", "WRONG", "not judged"


@dataclass(frozen=True)
class Judged:
    """A case and what became of it.

    Args:
        name: script and variant.
        verdict: right, WRONG or not judged.
        why: what is wrong.
        seen: what cvai made of it, None where it was not run.
        seconds: it took.
    """

    name: str
    verdict: str
    why: str = ""
    seen: Seen | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        seen = "" if self.seen is None else str(self.seen)
        return f"{self.verdict:11}{self.name:52} {seen}{f'  | {self.why}' if self.why else ''}"

    def to_json(self) -> dict[str, object]:
        """For --json."""
        seen = self.seen or Seen("")
        return {
            "name": self.name,
            "verdict": self.verdict,
            "why": self.why,
            "status": seen.status,
            "code": seen.code,
            "message": seen.text,
            "lv_ef": seen.numbers.get("lv_ef"),
            "lv_edv": seen.numbers.get("lv_edv"),
            "findings": list(seen.findings),
            "seconds": round(self.seconds, 1),
        }


def scripts_folder() -> Path:
    """CVAI_CASES, by default ``../shared/cases`` beside the project."""
    named = Path(os.environ.get("CVAI_CASES", "../shared/cases"))
    return named if named.is_absolute() else ROOT / named


def chosen(only: Sequence[str], scripts: Path) -> tuple[list[Case], list[str]]:
    """Cases to run, and scripts that are not known.

    Args:
        only: names or parts of names; all cases where none is given.
        scripts: the folder.
    """
    here = {path.stem for path in scripts.glob("*.py")}
    known = cases()
    unknown = sorted(here - {case.script for case in known})
    wanted = [case for case in known if case.script in here | OWN]
    if only:
        names = {case.name for case in wanted}
        wanted = [
            case
            for case in wanted
            if any(part == case.name or (part not in names and part in case.name) for part in only)
        ]
        unknown = [name for name in unknown if any(part in name for part in only)]
    return wanted, unknown


def judged(runs: Runs, case: Case) -> Judged:
    began_s = time.monotonic()
    try:
        seen = runs.seen(case)
    except subprocess.TimeoutExpired as error:
        seen = Seen("failed", text=f"did not end within {error.timeout:.0f} s")
    wrong = verdict(case.judge, seen, runs.honest)
    return Judged(case.name, WRONG if wrong else RIGHT, wrong, seen, time.monotonic() - began_s)


@contextmanager
def folder_for_work(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="cvai-cases-") as folder:
        yield Path(folder)


def run_all(wanted: Sequence[Case], scripts: Path, root: Path, at_once: int, aloud: bool) -> list[Judged]:
    """Judge cases side by side, and print each as it ends."""
    runs = Runs(scripts, root)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    ended: list[Judged] = []
    with (
        ThreadPoolExecutor(at_once) as pool,
        Progress(*columns, console=Console(stderr=True), transient=True) as bar,
    ):
        task = bar.add_task("cases", total=len(wanted))
        for future in as_completed([pool.submit(judged, runs, case) for case in wanted]):
            ended.append(future.result())
            bar.advance(task)
            if aloud:
                print(ended[-1], flush=True)
    return ended


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cases",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="cases of this name, or with it in theirs"
    )
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    parser.add_argument("--json", action="store_true", help="print one array at the end instead of lines")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="a new folder for inputs and results, kept")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="cases side by side (2)")
    asked = parser.parse_args()
    if asked.keep is not None and asked.keep.exists() and any(asked.keep.iterdir()):
        parser.error("the folder to keep is not empty: name a new one")
    return asked


def main() -> int:
    asked = parsed()
    scripts = scripts_folder()
    if not scripts.is_dir():
        print("cases: nothing was run, CVAI_CASES names no folder (default ../shared/cases)", file=sys.stderr)
        return 0
    wanted, unknown = chosen(asked.only, scripts)
    if asked.list:
        print("\n".join([case.name for case in wanted] + unknown))
        return 0
    if not wanted and not unknown:
        print("cases: no case has this name; --list prints all", file=sys.stderr)
        return 2
    with folder_for_work(asked.keep) as root:
        ended = run_all(wanted, scripts, root, asked.at_once, aloud=not asked.json)
    strangers = [Judged(name, NOT_JUDGED, "no judgement is known for this script") for name in unknown]
    ended.sort(key=lambda one: one.name)
    n_wrong = sum(one.verdict == WRONG for one in ended)
    if asked.json:
        print(json.dumps([one.to_json() for one in (*ended, *strangers)], indent=1))
    else:
        for one in strangers:
            print(one)
        print(f"{len(ended)} cases, {n_wrong} wrong, {len(strangers)} not judged")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
