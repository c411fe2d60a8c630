"""The archive's bad times: stopped, busy, slow, silent or breaking off, at each stage of a study's way.

``python -m benchmarks.outages [--lasting-s 60] [--archive orthanc|dicomweb] [--at-once 11] [--folder DIR]``

A real Orthanc behind a proxy that spoils the answers of one stage, and the real service with its own defaults
and the stand-in analysis. Each stage has a site of its own, which goes through one trouble after the other;
sites run side by side. Exit status 1 when a study has no result or two, was stored twice, its job ended badly
or left files behind, or when the archive was asked more often than the service's waits allow.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from requests.adapters import HTTPAdapter

from cvai.archive.http import ATTEMPTS
from cvai.jobs.job import JobState
from cvai.jobs.looking import MAX_BACKOFF_S
from cvai.settings import Settings, load_settings
from tests.loopback import serving
from tests.orthanc import PASSWORD, USERNAME, Orthanc
from tests.process import Process, jobs
from tests.standin import derived_uid, write_study
from tests.unwell_proxy import Kind, Stage, Trouble, UnwellProxy

STAGES = {
    "orthanc": (Stage.CHANGES, Stage.AGEING, Stage.LIST, Stage.FETCH, Stage.STANDING, Stage.STORE),
    "dicomweb": (Stage.SEARCH, Stage.LIST, Stage.FETCH, Stage.STANDING, Stage.STORE),
}
STUDIES = 2
LOOKED_AT_EVERY_S = 0.5
DELIVERED_WITHIN_S = 300.0
TOLD_AGAIN_WITHIN_S = 15.0
"""After results were stored the archive announces their study once more, and nothing may come of it."""


def most_requests(settings: Settings, lasted_s: float) -> int:
    """How often an archive that was unwell for so long may have been asked.

    The feed looks, doubling its waits: it asks for each study, each question ATTEMPTS times. One job at a
    time attempts its step, doubling its waits: storing is tried ATTEMPTS times, and asks within each what
    stands there, ATTEMPTS times. Jitter only lengthens waits.
    """
    retry = settings.retry
    looks = asks_within(lasted_s, 2 * settings.looks_every_s, MAX_BACKOFF_S)
    attempts = min(retry.attempts, asks_within(lasted_s, retry.first_wait_s, retry.longest_wait_s))
    return looks * STUDIES * ATTEMPTS + settings.jobs_at_once * attempts * ATTEMPTS**2


def asks_within(time_s: float, first_wait_s: float, longest_wait_s: float) -> int:
    """How many asks fit in a time when waits begin so and double."""
    asks, at_s, wait_s = 0, 0.0, first_wait_s
    while at_s <= time_s:
        asks, at_s, wait_s = asks + 1, at_s + min(wait_s, longest_wait_s), 2 * wait_s
    return asks


@dataclass(frozen=True)
class Told:
    """What became of the studies that met one trouble.

    Args:
        archive: which feed the service followed.
        trouble: what they met, as words.
        delivered: studies with exactly one result.
        wrong: what is not as it should be, as words.
        after_s: from the end of the trouble until all was well.
        requests: that met the trouble.
        allowed: how many those may be.
    """

    archive: str
    trouble: str
    delivered: int
    wrong: tuple[str, ...]
    after_s: float
    requests: int
    allowed: int

    @property
    def hot(self) -> bool:
        return self.requests > self.allowed

    @property
    def well(self) -> bool:
        return self.delivered == STUDIES and not self.wrong and not self.hot

    def __str__(self) -> str:
        verdict = "ok" if self.well else " ".join(("NOT OK", *self.wrong, *(["hot"] if self.hot else [])))
        return (
            f"{self.archive:9} {self.trouble:17} {self.delivered} of {STUDIES}  {self.after_s:8.1f}"
            f"  {self.requests:4d} of {self.allowed:<4d} {verdict}"
        )


HEADING = "archive   stage    trouble  delivered  s after  requests"


class Site:
    """An Orthanc, the proxy before it, and one service that is never restarted."""

    def __init__(self, root: Path, archive: str, orthanc: Orthanc, proxy: UnwellProxy, settings: str) -> None:
        self.archive, self.orthanc, self.proxy = archive, orthanc, proxy
        self.uids: list[str] = []
        self._root = root
        config = root / "service.toml"
        config.write_text(f'archive = "{archive}"\ndata_folder = "{root / "data"}"\n{settings}')
        self.settings = load_settings(config)
        command = [sys.executable, "-m", "tests.service", config, root / "analyses.log"]
        self.service = Process(command, root / "service.log")

    def deliver(self) -> list[str]:
        """New studies, all in one request past the proxy."""
        uids = [derived_uid(str(self._root), str(len(self.uids) + n)) for n in range(STUDIES)]
        self.orthanc.stow([path for uid in uids for path in write_study(self._root / "outside" / uid, uid)])
        self.uids += uids
        return uids

    def n_results(self, uid: str) -> int:
        return sum(found["modality"] == "DOC" for found in self.orthanc.qido(uid))

    def delivered(self, uids: Sequence[str]) -> int:
        return sum(self.n_results(uid) == 1 for uid in uids)

    def wrong(self, uids: Sequence[str]) -> tuple[str, ...]:
        """What is not as it should be, or not yet.

        A job is superseded by another for the same study, which it has where it was queued unlisted.
        """
        data_folder = self.settings.data_folder
        outcomes = [r.outcome for r in jobs(data_folder) if r.job.study_uid in uids]
        well = (JobState.ANALYSED, JobState.SUPERSEDED)
        return (
            *(f"{n} results" for uid in uids if (n := self.n_results(uid)) != 1),
            *(f"stored {n} times" for uid in uids if (n := self.proxy.stored[uid]) != 1),
            *(f"job {outcome.state} {outcome.code}" for outcome in outcomes if outcome.state not in well),
            *(f"left {path.name}" for path in (data_folder / "work").rglob("*") if path.is_file()),
            *(["service died"] if self.service.died() is not None else []),
        )

    def wrong_within(self, uids: Sequence[str], within_s: float) -> tuple[str, ...]:
        """What is still wrong after so long; none as soon as nothing is."""
        until_s = time.monotonic() + within_s
        while self.delivered(uids) < len(uids) or self.wrong(uids):
            if time.monotonic() > until_s:
                return self.wrong(uids)
            time.sleep(LOOKED_AT_EVERY_S)
        return ()


@contextmanager
def site(root: Path, archive: str, settings: str = "") -> Iterator[Site]:
    """A site in a folder of its own.

    Args:
        root: the folder.
        archive: which feed the service follows.
        settings: lines of TOML, where the service's defaults are not wanted.
    """
    orthanc = Orthanc(root / "orthanc")
    # Orthanc closes idle connections, at times just as they are used again.
    orthanc.session.mount("http://", HTTPAdapter(max_retries=3))
    orthanc.start()
    proxy = UnwellProxy(orthanc.port)
    with serving(proxy) as url:
        made = Site(root, archive, orthanc, proxy, f"{settings}\n{archive_settings(archive, url)}")
        try:
            yield made
        finally:
            made.service.kill()
            orthanc.stop()
            orthanc.session.close()


def archive_settings(archive: str, url: str) -> str:
    """Where the archive is; a study that is delivered in one request has settled at once."""
    where = f'"{url}"' if archive == "orthanc" else f'"{url}/dicom-web"\nsettle_s = 1'
    return f'[{archive}]\nurl = {where}\nusername = "{USERNAME}"\npassword = "{PASSWORD}"\n'


def outage(at: Site, stage: Stage, kind: Kind, lasting_s: float) -> Told:
    """Studies arrive, the archive is unwell from the stage's first request on, and what becomes of them."""
    stops = kind is Kind.STOPPED
    uids = at.deliver()
    trouble = Trouble(stage, kind, frozenset(uids), on_first=at.orthanc.stop if stops else lambda: None)
    at.proxy.trouble = trouble
    met = trouble.struck.wait(DELIVERED_WITHIN_S)
    struck_s = time.monotonic()
    time.sleep(lasting_s)
    if stops:
        at.orthanc.start()
    trouble.lifted.set()
    lifted_s = time.monotonic()
    wrong = at.wrong_within(uids, DELIVERED_WITHIN_S)
    return Told(
        archive=at.archive,
        trouble=f"{stage:8} {kind}",
        delivered=at.delivered(uids),
        wrong=wrong if met else ("never met", *wrong),
        after_s=time.monotonic() - lifted_s,
        requests=trouble.requests,
        allowed=most_requests(at.settings, lifted_s - struck_s),
    )


def wrong_afterwards(at: Site, told_again_within_s: float) -> tuple[str, ...]:
    """What is wrong with any study of a site, once the archive has announced the last ones again."""
    time.sleep(told_again_within_s)
    return at.wrong_within(at.uids, told_again_within_s)


def through_all(root: Path, archive: str, stage: Stage, lasting_s: float) -> tuple[list[Told], list[str]]:
    """Every kind of trouble at one stage, with the service's own defaults."""
    root.mkdir(parents=True)
    results = []
    with site(root, archive) as at:
        for kind in Kind:
            results.append(outage(at, stage, kind, lasting_s))
            print(f"{results[-1]}\n", end="", flush=True)  # whole lines, also of several sites at once
        afterwards = [f"{archive} {stage}: {what}" for what in wrong_afterwards(at, TOLD_AGAIN_WITHIN_S)]
    return results, afterwards


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lasting-s", type=float, default=60.0, help="how long each trouble lasts")
    parser.add_argument("--archive", choices=tuple(STAGES), help="one of them alone")
    parser.add_argument("--at-once", type=int, default=11, help="sites side by side")
    parser.add_argument("--folder", type=Path, help="kept, where given: logs of all services and archives")
    asked = parser.parse_args()
    sites = [(a, s) for a in STAGES if asked.archive in (a, None) for s in STAGES[a]]
    print(HEADING, flush=True)
    with ExitStack() as stack:
        root = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cvai-outages-")))
        pool = stack.enter_context(ThreadPoolExecutor(asked.at_once))
        running = [pool.submit(through_all, root / f"{a}-{s}", a, s, asked.lasting_s) for a, s in sites]
        ended = [one.result() for one in running]
    results = [results for troubles, _ in ended for results in troubles]
    afterwards = [what for _, wrong in ended for what in wrong]
    unwell = sum(not one.well for one in results)
    doubled = sum(at.endswith(" results") for at in afterwards)
    print(
        f"{len(results)} troubles of {asked.lasting_s:g} s, {unwell} not ok; {STUDIES * len(results)} studies"
    )
    print(f"afterwards {doubled} without one result each, {len(afterwards)} things wrong")
    for what in afterwards:
        print(f"  {what}")
    return 1 if unwell or afterwards else 0


if __name__ == "__main__":
    sys.exit(main())
