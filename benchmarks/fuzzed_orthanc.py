"""Spoiled files by way of an Orthanc, which dies of some of them: see ``benchmarks/fuzz.py``."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.fuzzed_site import HUNG_AFTER_S, Account, Site
from cvai.archive.content import is_valid_study_uid
from tests.fuzzing import deliveries
from tests.orthanc import PASSWORD, USERNAME, Orthanc


def by_orthanc(root: Path, n_spoiled: int, seed: int) -> Account:
    """Deliveries to an Orthanc; what it does not take never came in."""
    account, orthanc = Account("orthanc"), Orthanc(root / "orthanc")
    orthanc.start()
    access = f'url = "{orthanc.url}"\nusername = "{USERNAME}"\npassword = "{PASSWORD}"\n'
    try:
        with kept_running(orthanc) as deaths:
            site, taken = Site(root, f'archive = "orthanc"\n[orthanc]\n{access}'), Counter[str]()
            for delivery in deliveries(n_spoiled, seed):
                account.spoiled += delivery.n_spoiled
                for data in delivery.files:
                    study, why_not = given_to(orthanc, data)
                    if study is not None:
                        taken[study] += 1
                    else:
                        account.fates[f"not taken by Orthanc, {why_not}"] += 1
            tell_taken(account, site, orthanc, taken)
            account.beside = f"Orthanc died {len(deaths)} times"
    finally:
        orthanc.stop()
    return account


@contextmanager
def kept_running(orthanc: Orthanc) -> Iterator[list[float]]:
    """Started again when it dies, as an init system does: Orthanc 1.10 dies of some files."""
    over, deaths = threading.Event(), list[float]()

    def watch() -> None:
        while not over.wait(0.3):
            if orthanc.died:
                deaths.append(time.monotonic())
                orthanc.start()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield deaths
    finally:
        over.set()
        watcher.join()


def given_to(orthanc: Orthanc, data: bytes) -> tuple[str | None, str]:
    """Orthanc's name of the study it put a file into, else why there is none."""
    try:
        answer = orthanc.session.post(f"{orthanc.url}/instances", data=data, timeout=HUNG_AFTER_S)
    except requests.ConnectionError:
        asked(orthanc, "/system")
        return None, "no answer"
    return (answer.json()["ParentStudy"], "") if answer.ok else (None, str(answer.status_code))


def asked(orthanc: Orthanc, path: str) -> dict[str, Any]:
    """What Orthanc answers once it does; nothing where it has no such thing any more."""
    deadline_s = time.monotonic() + HUNG_AFTER_S
    while True:
        try:
            answer = orthanc.session.get(f"{orthanc.url}{path}", timeout=HUNG_AFTER_S)
        except requests.ConnectionError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.5)
        else:
            return dict(answer.json()) if answer.ok else {}


def tell_taken(account: Account, site: Site, orthanc: Orthanc, taken: Counter[str]) -> None:
    """Each file that Orthanc took is in a study whose job has ended."""
    tags = {i: asked(orthanc, f"/studies/{i}").get("MainDicomTags") for i in taken}
    account.fates["lost by Orthanc as it died"] += sum(
        taken[i] for i, stated in tags.items() if stated is None
    )
    uids = {i: str(stated["StudyInstanceUID"]) for i, stated in tags.items() if stated is not None}
    named = {uid for uid in uids.values() if is_valid_study_uid(uid)}
    fates = site.settled(lambda: named)
    left_out = {line["sha256"] for line in site.service.events("study_uid_invalid")}
    for identifier, uid in uids.items():
        n_files = taken[identifier]
        if uid not in named and hashlib.sha256(uid.encode()).hexdigest() in left_out:
            account.fates["left out, study_uid_invalid"] += n_files
        elif fates.get(uid):
            account.fates[fates[uid]] += n_files
        else:
            account.wrong.append(f"study {uid} was not worked on")
    account.wrong += site.troubles()
