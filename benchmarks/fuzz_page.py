"""Requests made up from the page's own description, valid and not, by everybody: no server error, no leak.

``python -m benchmarks.fuzz_page [--examples 200] [--seed 1]``

A real ``cvai serve`` with one measured study. Each route is asked by nobody, by somebody with a made-up
session, by a viewer and by a reviewer, half of the time about the study that is there. Exit status 1 when an
answer is a server error, or an answer to a refused request names a patient or shows a stack.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import hypothesis
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.parameters import ParameterLocation

from cvai.review.access import COOKIE, CSRF_HEADER
from cvai.review.routes.pages import pages
from cvai.review.routes.sign_in import sign_in_routes
from cvai.review.routes.study import api
from cvai.review.sign_in.accounts import Role
from tests.review.site import new_site, running

STACKS = ("Traceback", 'File "/', "site-packages", "sqlalchemy", "sqlite3.")
PHANTOMS = ("Phantom^", "PHANTOM")
"""Name and identifier of every phantom's patient."""

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


ENDS_THE_SESSION = "POST /sign-out"


@dataclass(frozen=True)
class Caller:
    """Somebody who asks, with what their browser sends along."""

    name: str
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Target:
    """A page, what is on it, and what it has answered.

    Args:
        url: where it is.
        job_ids: of studies that are there.
        patients: names and identifiers that no refusal may tell.
        statuses: how often which was answered.
        wrong: which requests got an answer that they should not have got.
    """

    url: str
    job_ids: list[str]
    patients: tuple[str, ...]
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def ask(self, case: Case, caller: Caller, job_id: str | None) -> None:
        """Send one request and look at the answer."""
        if job_id is not None and "job_id" in case.path_parameters:
            case.path_parameters["job_id"] = job_id
        wanted = case.as_transport_kwargs(base_url=self.url)
        wanted["cookies"] = {**(wanted.get("cookies") or {}), **caller.cookies}
        wanted["headers"] = {**wanted["headers"], **caller.headers}
        answer = requests.request(**wanted, timeout=60, allow_redirects=False)
        self.statuses[answer.status_code] += 1
        for fault in self._faults(answer):
            self.wrong.append(f"{caller.name}: {case.operation.label}: {answer.status_code}: {fault}")

    def _faults(self, answer: requests.Response) -> Iterator[str]:
        if answer.status_code >= 500:
            yield "a server error"
        if answer.status_code >= 300:
            leaked = [text for text in (*STACKS, *self.patients) if text in answer.text]
            yield from (f"it tells {text!r}" for text in leaked)


def signed_in(url: str, name: str, token: str) -> Caller:
    """Who signs in with ``token``."""
    session = requests.Session()
    assert session.post(f"{url}/sign-in", data={"token": token}, timeout=60).ok
    csrf = session.get(url, timeout=60).text.split('name="csrf" content="')[1].split('"')[0]
    return Caller(name, {COOKIE: session.cookies[COOKIE]}, {CSRF_HEADER: csrf})


STRANGERS = (Caller("nobody"), Caller("made up", {COOKIE: "made-up"}, {CSRF_HEADER: "made-up"}))


def operations() -> Iterator[APIOperation]:
    """Every route of the page, with what it says it takes."""
    app = FastAPI()
    for router in (sign_in_routes, pages, api):
        app.include_router(router)
    schema = schemathesis.openapi.from_dict(app.openapi())
    return (found.ok() for found in schema.get_all_operations())


def fuzz(
    target: Target, callers: Iterable[Caller], n_examples: int, seed: int, spared: Iterable[str] = ()
) -> None:
    """Ask every route but the spared ones ``n_examples`` times for each caller, valid and not."""
    asked = [o for o in operations() if o.label not in (ENDS_THE_SESSION, *spared)]
    for number, (operation, caller, mode) in enumerate(product(asked, callers, MODES)):
        if mode is GenerationMode.POSITIVE or can_be_asked_wrongly(operation):
            _ask_often(target, operation.as_strategy(mode), caller, n_examples, f"{seed}/{number}")


def can_be_asked_wrongly(operation: APIOperation) -> bool:
    """Whether a route takes anything but text in its path; hypothesis seeks long for what is no text."""
    return bool(list(operation.body)) or not all(
        taken.location is ParameterLocation.PATH
        and taken.raw_schema.keys() == {"type", "title"}
        and taken.raw_schema["type"] == "string"
        for taken in operation.iter_parameters()
    )


def _ask_often(
    target: Target, cases: SearchStrategy[Case], caller: Caller, n_examples: int, seed: str
) -> None:
    job_ids = st.one_of(st.none(), st.sampled_from(target.job_ids))

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=n_examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(cases, job_ids)
    def ask(case: Case, job_id: str | None) -> None:
        target.ask(case, caller, job_id)

    with suppress(Unsatisfiable):  # a route that takes nothing cannot be asked wrongly
        ask()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="cvai-fuzz-page-") as folder,
        running(new_site(Path(folder))) as site,
    ):
        site.deliver(1, 50.0)
        (job,) = site.jobs(1)
        target = Target(site.url, [job.job.job_id], PHANTOMS)
        readers = [
            signed_in(site.url, role, site.add_reader(f"fuzz-{role}", role))
            for role in (Role.VIEWER, Role.REVIEWER)
        ]
        fuzz(target, (*STRANGERS, *readers), arguments.examples, arguments.seed)
        target.wrong += [f"the log tells {text!r}" for text in PHANTOMS if text in site.log]
    statuses = ", ".join(f"{n} x {status}" for status, n in sorted(target.statuses.items()))
    n, took_s = target.statuses.total(), time.monotonic() - started_s
    print(f"{n} requests in {took_s:.0f} s: {statuses}; {len(target.wrong)} wrong")
    for line in target.wrong[:50]:
        print(f"  {line}")
    return 1 if target.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
