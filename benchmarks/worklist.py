"""How long the worklist takes with 100,000 studies: first page, search, last page.

``python -m benchmarks.worklist`` from the root of the project: a listing of synthetic studies in a file
of its own, asked as the page asks it, and each answer rendered; then all of a patient's studies.
The goal is 200 ms for the first page. docs/howto/page.md quotes the figures.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from types import SimpleNamespace

from cvai.analyses.registry import ANALYSES
from cvai.dicom.read.patient import Patient
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.ledger import JobRecord
from cvai.review.database import Database
from cvai.review.listing import PAGE_ROWS, Listing, Query
from cvai.review.page import PageOptions
from cvai.review.summary import Identity, Summary
from cvai.review.wording import render

STUDIES, A_PATIENT, AT_ONCE = 100_000, 4, 1000
REPEATS = 7
FAMILIES = ("Doe", "Müller", "García", "Nguyen", "Smith", "Kowalski", "Rossi", "Okafor", "Sato", "Haddad")
STATES = (*[JobState.ANALYSED] * 7, JobState.REFUSED, *[JobState.NOTHING_TO_DO] * 2)
SPEC = next(spec for spec in ANALYSES if spec.headline is not None)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "review.sqlite")
        listing = Listing(database)
        begun_s = time.monotonic()
        for start in range(0, STUDIES, AT_ONCE):
            listing.put(studies(start, start + AT_ONCE))
        print(f"{STUDIES} studies listed in {time.monotonic() - begun_s:.0f} s")
        measure(listing)
        database.close()


def measure(listing: Listing) -> None:
    last = listing.page(Query()).n_pages
    for title, query in (
        ("first page", Query()),
        ("last page", Query(page=last)),
        ("to read, by name", Query("unread", sort="name", descending=False)),
        ("a patient by ID", Query(search="P004711")),
        ("by family and given name", Query(search="müller given17")),
        ("by a beginning that many have", Query(search="g")),
        ("by AccessionNumber", Query(search="A0047110")),
        ("by StudyInstanceUID", Query(search="1.2.826.0.1.47110")),
    ):
        print(f"{title}: {took_ms(lambda query=query: rendered(listing, query)):.0f} ms")  # type: ignore[misc]
    patient = study(4 * 4711).identity.patient
    name = SPEC.headline.name if SPEC.headline else ""
    print(f"all studies of a patient: {took_ms(lambda: listing.of_patient(patient, name)):.0f} ms")


def took_ms(ask: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        begun_s = time.perf_counter()
        ask()
        times.append(1000 * (time.perf_counter() - begun_s))
    return median(times)


def rendered(listing: Listing, query: Query) -> str:
    listed = listing.page(query)
    assert len(listed.rows) == PAGE_ROWS or listed.page == listed.n_pages
    page = SimpleNamespace(options=PageOptions("127.0.0.1", 1))
    return render("rows.html", page=page, listed=listed, query=query, complete=True)


def studies(start: int, stop: int) -> Iterator[Summary]:
    return (study(number) for number in range(start, stop))


def study(number: int) -> Summary:
    """A synthetic study; every patient has some."""
    patient_number, state = number // A_PATIENT, STATES[number % len(STATES)]
    queued_at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=20 * number)
    job = StudyJob(f"1.2.826.0.1.{number}", "ab" * 32, "cd" * 32, SPEC.kind)
    family = FAMILIES[patient_number % len(FAMILIES)]
    patient = Patient(
        f"P{patient_number:06}", name=f"{family}^Given{patient_number % 997}", birth_date="19610203"
    )
    studied = date(2020, 1, 1) + timedelta(days=number // 72)
    identity = Identity(patient, f"{studied:%Y%m%d}", "Heart", f"A{number:07}")
    record = JobRecord(job, Outcome(state), queued_at, queued_at, "worker-1", 1)
    return Summary(record, result(number) if state is JobState.ANALYSED else {}, identity)


def result(number: int) -> dict[str, object]:
    name = SPEC.headline.name if SPEC.headline else ""
    measured = {
        "name": name,
        "value": 20.0 + number % 60,
        "unit": "%",
        "interval": None,
        "normal": [52.0, 72.0],
    }
    findings = [{"code": "rough_contour", "severity": "warning", "message": "A contour is rough."}]
    model = {"name": SPEC.model, "version": "1.0", "sha256": "cd" * 32, "provider": "cpu"}
    return {
        "view": next(iter(SPEC.views)),
        "model": model,
        "measurements": [measured],
        "findings": findings if number % 5 == 0 else [],
    }


if __name__ == "__main__":
    main()
