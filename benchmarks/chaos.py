"""kill -9 at random instants: no study or message is lost, none has two results, no job is left behind.

``python -m benchmarks.chaos [--kills 100] [--studies 20] [--database sqlite|postgres] [--seed 1]``

A service works on studies that arrive while it is killed and started again, and sends their HL7 messages to a
receiver that dies and answers badly too; then both are left alone until nothing is queued. Exit status 1 when
the tally is not clean.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.hl7_receiver import DyingReceiver
from tests.hospital import Hospital, Tally
from tests.postgres import running_postgres
from tests.process import Process

LONGEST_LIFE_S = 4.0
SETTLED_AFTER_S = 300.0


@contextmanager
def hospital(database: str, seed: int) -> Iterator[tuple[Hospital, DyingReceiver]]:
    """A site, and the receiver of its messages, which is unwell until it is left alone."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cvai-chaos-")))
        url = stack.enter_context(running_postgres()) if database == "postgres" else None
        dying = DyingReceiver(seed)
        yield Hospital(root, url, 0.2, stack.enter_context(dying.running())), dying


def kill_again_and_again(site: Hospital, kills: int, studies: int, seed: int) -> list[str]:
    """Deliver studies while the service is killed; returns their UIDs.

    Half of the lives end in mid-work, timed from the first line in the log of analyses; the others anywhere,
    also while the service is only just starting.
    """
    chance = random.Random(seed)  # noqa: S311 - instants, no secrets
    uids: list[str] = []
    for kill in range(kills):
        while len(uids) * kills <= kill * studies and len(uids) < studies:
            uids.append(site.deliver(len(uids)))
        service = site.start()
        if kill % 2:
            await_work(site, service, chance)
        else:
            time.sleep(chance.uniform(0, LONGEST_LIFE_S))
        service.kill()
    while len(uids) < studies:
        uids.append(site.deliver(len(uids)))
    return uids


def await_work(site: Hospital, service: Process, chance: random.Random) -> None:
    """Until an analysis has begun in this life, or nothing is left to be done, and a random moment more."""
    began = site.analyses.stat().st_size if site.analyses.exists() else 0
    deadline_s = time.monotonic() + 10 * LONGEST_LIFE_S
    while time.monotonic() < deadline_s and service.died() is None:
        if site.analyses.exists() and site.analyses.stat().st_size > began:
            break
        if service.events("serving") and all(r.ended_at for r in site.records()):
            break
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 0.5))


def left_alone(site: Hospital, dying: DyingReceiver, uids: list[str]) -> Tally:
    """Start the service once more, and count when every study has ended or it has had long enough."""
    dying.calm()
    service = site.start()
    deadline_s = time.monotonic() + SETTLED_AFTER_S
    while time.monotonic() < deadline_s and not site.tally(uids).clean:
        time.sleep(0.5)
    service.stop()
    return site.tally(uids)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with hospital(arguments.database, arguments.seed) as (site, dying):
        uids = kill_again_and_again(site, arguments.kills, arguments.studies, arguments.seed)
        tally = left_alone(site, dying, uids)
        begun, sent = len(site.analyses.read_text().splitlines()), len(dying.receiver.texts)
    print(
        f"{arguments.database}: {arguments.kills} kills over {len(uids)} studies, {begun} analyses begun: "
        f"{len(tally.lost)} lost, {len(tally.duplicated)} duplicated, {len(tally.orphaned)} orphaned, "
        f"{len(tally.left)} files left in work, {len(tally.untold)} untold in {sent} HL7 messages"
    )
    for line in (*tally.lost, *tally.duplicated, *tally.orphaned, *tally.left, *tally.untold):
        print(f"  {line}")
    return 0 if tally.clean else 1


if __name__ == "__main__":
    sys.exit(main())
