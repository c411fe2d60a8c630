"""Spoiled DICOM files into every way in: no crash, no hang, and it is told what became of each.

``python -m benchmarks.fuzz [--files 10000] [--seed 1] [--ways zip folder c-store orthanc]``

Small studies, most of their files spoiled (bits, lengths, values, pieces lost, repeated or of another file),
go through the whole line but the networks. Exit status 1 when a process died, a job broke, or a file is
neither analysed nor refused with a code. What Orthanc does not take never came in, and is told apart.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pynetdicom
import requests
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE

from cvai.archive.content import UNREADABLE, names_a_study
from cvai.archive.folder import FolderArchive
from cvai.archive.part10 import read_identity
from cvai.archive.receiver import SUCCESS
from cvai.engine.analyse import analyse_folder
from cvai.engine.job import UNLISTED, JobState
from cvai.engine.worker import open_archive
from cvai.errors import ArchiveRejected, FileRefused, TemporarilyUnavailable
from cvai.settings import load_settings
from cvai.study.read import read_studies
from tests.fuzzing import Delivery, DrawnHeart, NoHeart, deliveries, spoiled, spoiled_data_set
from tests.orthanc import PASSWORD, USERNAME, Orthanc, free_port
from tests.process import Process, eventually, jobs

HUNG_AFTER_S = 120.0
"""Nothing takes so long: a study of 32 small images, or the next job of a service."""

QUIET_S = 3.0
"""Longer than a delivery or an archive takes to be called settled."""

ENDS = frozenset({JobState.ANALYSED, JobState.REFUSED, JobState.SUPERSEDED})
THE_ARCHIVES = frozenset({"archive_rejected", "archive_busy", "object_rejected"})
"""Codes of failures that are the archive's: it cannot give back what it took, or will not take a result."""

NO_IMAGES = "nothing to analyse listed"


@dataclass
class Account:
    """What became of the spoiled deliveries that went one way.

    Args:
        way: which.
        spoiled: files that were not as they had been.
        fates: files by what became of them, sound ones too.
        wrong: what should not have happened, in words.
        beside: what else happened, not on our side.
    """

    way: str
    spoiled: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    beside: str = ""

    def line(self) -> str:
        fates = ", ".join(f"{n} {fate}" for fate, n in self.fates.most_common())
        told = f"{self.way}: {self.spoiled} spoiled files; {fates}; {len(self.wrong)} wrong"
        return f"{told}; {self.beside}" if self.beside else told


def by_zip(root: Path, n_spoiled: int, seed: int) -> Account:
    """``cvai analyze`` on a zip of each delivery; every fifth zip is spoiled once more itself."""
    account = Account("zip")
    for number, delivery in enumerate(deliveries(n_spoiled, seed)):
        folder = root / str(number)
        account.spoiled += delivery.n_spoiled
        paths = written(folder / "files", delivery)
        packed = folder / "study.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in paths:
                archive.write(path, path.name)
        with no_hang():
            tell_fates(account, paths, analysed(packed, folder / "out"))
        if number % 5 == 0:
            packed.write_bytes(spoiled(random.Random(number), packed.read_bytes()))  # noqa: S311
            with no_hang():
                account.fates[f"spoiled zip: {fate_of_zip(packed, folder / 'again')}"] += 1
        shutil.rmtree(folder)
    return account


def analysed(source: Path, out: Path) -> dict[str | None, str]:
    """What became of each study in a source."""
    outcomes = analyse_folder(source, out, DrawnHeart(), NoHeart)
    return {o.study_uid: o.refusal.code if o.refusal else o.status for o in outcomes}


def fate_of_zip(packed: Path, out: Path) -> str:
    try:
        return " and ".join(sorted(set(analysed(packed, out).values())))
    except FileRefused as refusal:
        return refusal.code


def tell_fates(account: Account, paths: list[Path], fates: dict[str | None, str]) -> None:
    """Each file, read by itself, is one that cannot be read, or of a study that has an end."""
    for path in paths:
        read = read_studies(path)
        for refusal in read.unreadable:
            account.fates[f"unreadable, {refusal.code}"] += 1
        for study in read.studies:
            if study.study_uid in fates:
                account.fates[fates[study.study_uid]] += 1
            else:
                account.wrong.append(f"a file of study {study.study_uid} is not told of")


@contextmanager
def no_hang() -> Iterator[None]:
    """A process that hangs is ended with its stack; a crash ends the command with its own."""
    faulthandler.dump_traceback_later(HUNG_AFTER_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def written(folder: Path, delivery: Delivery) -> list[Path]:
    folder.mkdir(parents=True)
    paths = [folder / f"{number:04d}.dcm" for number in range(len(delivery.files))]
    for path, data in zip(paths, delivery.files, strict=True):
        path.write_bytes(data)
    return paths


@dataclass(frozen=True)
class State:
    """Whether anything moves: jobs, those of them that have ended, and files that wait."""

    jobs: int
    ended: int
    in_inbox: int

    @property
    def at_rest(self) -> bool:
        return self.jobs == self.ended and self.in_inbox == 0


class Site:
    """A service on a fresh data folder; studies come in over ``settings``, and by whoever calls it.

    Args:
        root: for everything on disk.
        settings: of the service, besides the common ones.
    """

    def __init__(self, root: Path, settings: str = "") -> None:
        self.data_folder = root / "data"
        self.inbox = self.data_folder / "inbox"
        self.inbox.mkdir(parents=True)
        config = root / "service.toml"
        config.write_text(
            f'data_folder = "{self.data_folder}"\npoll_interval_s = 0.2\nshutdown_grace_s = 5\n{settings}'
            "[retry]\nattempts = 2\nfirst_wait_s = 0.1\n[keep]\nresults_days = 0.000001\n"
        )
        self.archive, _ = open_archive(load_settings(config))
        command = [sys.executable, "-m", "tests.fuzzed_service", str(config)]
        self.service = Process(command, root / "service.log")
        eventually(lambda: self.service.events("serving"), "the service", HUNG_AFTER_S)

    def settled(self, studies: Callable[[], Iterable[str]]) -> dict[str, str]:
        """What became of each study as it stands now, once nothing moves; empty where nothing did."""
        moved_s, seen, fates = time.monotonic(), None, {}
        while self.service.died() is None and time.monotonic() - moved_s < HUNG_AFTER_S:
            if (now := self._state()) != seen:
                moved_s, seen = time.monotonic(), now
            elif time.monotonic() - moved_s > QUIET_S and now.at_rest:
                fates = self._fates(studies())
                if all(fates.values()):
                    break
            time.sleep(0.5)
        return fates or self._fates(studies())

    def troubles(self) -> list[str]:
        """What went wrong meanwhile; ends the service."""
        died = self.service.died()
        told = [] if died is None else [f"the service died with status {died}"]
        for broken in self.service.events("job_broke"):
            told.append(f"{broken['job']}: {broken['error']} at {broken['stack'][-1]}")
        for record in jobs(self.data_folder):
            if record.outcome.state not in ENDS and record.outcome.code not in THE_ARCHIVES:
                told.append(f"{record.job.job_id}: {record.outcome.state} {record.outcome.code}")
        told += [f"{path.name} was left in the inbox" for path in self.inbox.rglob("*") if path.is_file()]
        if died is None:
            self.service.stop()
        return told

    def _state(self) -> State:
        records = jobs(self.data_folder)
        # Folders go while this looks; os.walk does not mind.
        in_inbox = sum(len(files) for *_, files in os.walk(self.inbox))
        return State(len(records), sum(r.ended_at is not None for r in records), in_inbox)

    def _fates(self, studies: Iterable[str]) -> dict[str, str]:
        ended = {
            (r.job.study_uid, r.job.digest): r.outcome.code or str(r.outcome.state)
            for r in jobs(self.data_folder)
            if r.ended_at is not None
        }
        return {uid: self._fate(uid, ended) for uid in studies}

    def _fate(self, study_uid: str, ended: Mapping[tuple[str, str], str]) -> str:
        """As it stands in the archive now; the job of a study that it would not list has no digest."""
        unlisted = ended.get((study_uid, UNLISTED), "")
        try:
            content = self.archive.content(study_uid)
        except (ArchiveRejected, TemporarilyUnavailable):
            return unlisted
        return ended.get((study_uid, content.digest), "" if content.sources else NO_IMAGES) or unlisted


def place_of(path: Path) -> tuple[str, str]:
    """Study and name under which the embedded archive keeps a file; no study for one that is no DICOM."""
    identity = read_identity(path)
    if identity is None:
        return "", f"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.dcm"
    return identity.study_uid, f"{identity.sop_instance_uid}.dcm"


def tell_kept(account: Account, site: Site, places: list[tuple[str, str]]) -> None:
    """Each file stands in the embedded archive, in a study whose job has ended."""
    archive = FolderArchive(site.data_folder / "archive")
    fates = site.settled(archive.study_folders)
    folders = archive.study_folders()
    strays = {
        p.name: uid for uid, folder in folders.items() if uid.startswith(UNREADABLE) for p in folder.iterdir()
    }
    for study_uid, name in places:
        uid = study_uid or strays.get(name, "")
        if uid in folders and (folders[uid] / name).exists() and fates.get(uid):
            account.fates[fates[uid]] += 1
        else:
            account.wrong.append(f"{name} of study {uid or '?'}: {fates.get(uid) or 'not there'}")
    account.wrong += site.troubles()


def by_folder(root: Path, n_spoiled: int, seed: int) -> Account:
    """Deliveries dropped into the inbox of a service."""
    account, site, places = Account("folder"), Site(root, "[folder]\nsettle_s = 0.5\n"), []
    for number, delivery in enumerate(deliveries(n_spoiled, seed)):
        account.spoiled += delivery.n_spoiled
        hidden = site.inbox / f".{number}"
        places += [place_of(path) for path in written(hidden, delivery)]
        hidden.rename(site.inbox / str(number))
    tell_kept(account, site, places)
    return account


def by_c_store(root: Path, n_spoiled: int, seed: int) -> Account:
    """Deliveries sent by a scanner that does not look at what it sends."""
    account, port = Account("c-store"), free_port()
    # Files are sent in pieces as they lie on disk, instead of being read and written anew.
    pynetdicom._config.STORE_SEND_CHUNKED_DATASET = True
    listens = f'listen = true\nport = {port}\nallowed_ae_titles = ["FUZZ"]\n'
    site, places = Site(root, f"[folder]\nsettle_s = 1\n[dicom]\n{listens}"), []
    for number, delivery in enumerate(deliveries(n_spoiled, seed, spoiled_data_set)):
        account.spoiled += delivery.n_spoiled
        paths = written(root / "sent" / str(number), delivery)
        for path, status in zip(paths, sent(port, paths), strict=True):
            if status == SUCCESS:
                places.append(place_of(path))
            elif status is None:
                account.wrong.append(f"no answer to {path.name} of delivery {number}")
            else:
                account.fates[f"not taken, 0x{status:04X}"] += 1
        shutil.rmtree(paths[0].parent)
    tell_kept(account, site, places)
    return account


def sent(port: int, paths: list[Path]) -> list[int | None]:
    """The status of each file, sent without being decoded; None where the line went dead."""
    entity = AE("FUZZ")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = HUNG_AFTER_S
    for meta in map(read_file_meta_info, paths):
        entity.add_requested_context(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title="CVAI")
    try:
        return [
            association.send_c_store(path).get("Status") if association.is_established else None
            for path in paths
        ]
    finally:
        association.release()


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
    account.fates["lost by Orthanc as it died"] += sum(taken[i] for i, told in tags.items() if told is None)
    uids = {i: str(told["StudyInstanceUID"]) for i, told in tags.items() if told is not None}
    named = {uid for uid in uids.values() if names_a_study(uid)}
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


WAYS = {"zip": by_zip, "folder": by_folder, "c-store": by_c_store, "orthanc": by_orthanc}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ways", choices=tuple(WAYS), nargs="+", default=list(WAYS))
    arguments = parser.parse_args()
    wrong = 0
    for way in arguments.ways:
        begun_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="cvai-fuzz-") as folder:
            account = WAYS[way](Path(folder), arguments.files, arguments.seed)
        print(f"{account.line()}; {time.monotonic() - begun_s:.0f} s", flush=True)
        for line in account.wrong[:50]:
            print(f"  {line}")
        wrong += len(account.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
