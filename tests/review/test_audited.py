"""Every answer with patients' data has an audit message: what routes declare, and what they really write."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import requests
from fastapi import APIRouter
from pydicom import dcmread

from cvai.audit.messages import Act, AuditEvent
from cvai.errors import TemporarilyUnavailable
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.coronary.run import RunParameters, write_angiography_phantom_study
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.study import write_echo_phantom_study
from cvai.review.audited import Audited, DeclaredRoute, NoPatientData, shows
from cvai.review.sign_in.accounts import Role
from tests.process import eventually
from tests.review.light_page import light_page
from tests.review.site import Site, lose_heart, measured_site, running
from tests.review.test_chosen_loop import add_loop
from tests.review.test_requests import words
from tests.review.test_roles import STUDY, app_of, every_route

pytestmark = pytest.mark.servers

OF_ECHO = frozenset(
    {
        f"{STUDY}/preview",
        f"{STUDY}/loops/{{view}}/frames/{{part}}",
        f"{STUDY}/loops/{{view}}/labels",
        f"{STUDY}/left-out/{{uid}}",
    }
)
OF_RUNS = frozenset({f"{STUDY}/look", "/api/admin/jobs/{job_id}/retry"})
BODIES: dict[tuple[str, str], object] = {
    ("POST", f"{STUDY}/look"): {"verdict": "looked at"},
    ("POST", "/worklist"): {"search": "phantom"},
    ("POST", "/worklist.csv"): {"search": "phantom"},
    ("PUT", f"{STUDY}/draft"): {"ed": 0, "es": 3, "frames": []},
    ("PUT", f"{STUDY}/entered"): {"after": 0, "haematocrit_percent": 42.0},
    ("PUT", f"{STUDY}/impression"): {"after": 0, "text": "Both ventricles of normal size."},
    ("POST", f"{STUDY}/decision"): {"after": 1, "changes": {"ed": 0, "es": 4, "frames": []}},
}


@dataclass(frozen=True)
class Read:
    """A site with a measured cine and ultrasound study, a refused angiography study, and who reads them.

    ``left_out`` is a loop that was not measured.
    """

    site: Site
    session: requests.Session
    cine: str
    echo: str
    runs: str
    left_out: str
    refused: str

    def address(self, path: str) -> str:
        """Of something that there is."""
        there = {"z": 0, "view": "a4c", "part": 0, "index": 0, "uid": self.left_out}
        none = {"name": "nobody", "upload": "none", "number": 0, "language": "de"}
        return path.format(job_id=self.job_for(path), **there, **none)

    def job_for(self, path: str) -> str:
        if path == f"{STUDY}/by-hand":
            return self.refused
        if path in OF_RUNS:
            return self.runs
        return self.echo if path in OF_ECHO else self.cine

    def body_for(self, method: str, path: str) -> object:
        if path == f"{STUDY}/series":
            told = self.session.get(f"{self.site.url}/api/studies/{self.cine}", timeout=60).json()
            return {"series_uid": told["result"]["excluded"][0]["series_uid"]}
        if path == f"{STUDY}/carried":
            return self.carried_body()
        if path != f"{STUDY}/preview":
            return BODIES.get((method, path))
        loops = self.session.get(f"{self.site.url}/api/studies/{self.echo}", timeout=60).json()["loops"]
        beats = {loop["view"]: loop["beats"] for loop in loops}
        return {**beats["a4c"][0], "frames": [], "beats": beats}

    def carried_body(self) -> object:
        """A frame without contours, to be carried on to other phases."""
        cine = self.session.get(f"{self.site.url}/api/studies/{self.cine}", timeout=60).json()["cine"]
        place = {"t": 0, "z": cine["n_slices"] // 2}
        frames = [{**place, "runs": [cine["rows"] * cine["columns"], 0]}]
        return {"changes": {"ed": 0, "es": 3, "frames": frames}, **place, "along": "phases"}


def declared_routes() -> dict[tuple[str, str], Audited | NoPatientData]:
    """What every route of the application declares."""
    found = {}
    for route in every_route(app_of().routes):
        assert isinstance(route, DeclaredRoute), route.path
        found.update({(method, route.path): route.declaration for method in route.methods})
    return found


DECLARED = declared_routes()
AUDITED = sorted(
    (key for key, declared in DECLARED.items() if isinstance(declared, Audited)),
    key=lambda key: (key[1].endswith("/retry"), key),
)
"""A job that is done again comes last: it has no results then."""
WITHOUT = sorted(key for key, declared in DECLARED.items() if isinstance(declared, NoPatientData))


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    site = measured_site(tmp_path_factory, "audited")
    with running(site):
        write_echo_phantom_study(site.root, acquisition=LoopAcquisition(n_frames=18, seed=3))
        again = dcmread(site.root / DICOM_FOLDER / "a4c.dcm")
        add_loop(again, site.root / DICOM_FOLDER, "darker", 0.8 * again.pixel_array)
        shutil.move(site.root / DICOM_FOLDER, site.settings.inbox_folder / ".echo")
        (site.settings.inbox_folder / ".echo").rename(site.settings.inbox_folder / "echo")
        write_angiography_phantom_study(site.root, (RunParameters(n_frames=14, beat_frames=8, contrast=0.0),))
        shutil.move(site.root / DICOM_FOLDER, site.settings.inbox_folder / ".runs")
        (site.settings.inbox_folder / ".runs").rename(site.settings.inbox_folder / "runs")
        site.deliver(5, 45.0, n_slices=9, before=lose_heart)
        records = site.jobs(4)
        (refused,) = (record.job.job_id for record in records if record.outcome.code == "heart_lost")
        jobs = {r.job.kind: r.job.job_id for r in records if r.job.job_id != refused}
        session = requests.Session()
        token = site.add_reader("auditor", Role.ADMIN, "Auditor^A")
        session.post(f"{site.url}/sign-in", data={"token": token}, timeout=60).raise_for_status()
        session.headers.update(words(site, session))
        signed = {"after": 0, "changes": {"ed": 0, "es": 3, "frames": []}}
        address = f"{site.url}/api/studies/{jobs['cine_sax']}/decision"
        session.post(address, json=signed, timeout=120).raise_for_status()
        told = session.get(f"{site.url}/api/studies/{jobs['echo_apical']}", timeout=120).json()
        (left_out,) = (p["loop"]["sop_instance_uid"] for p in told["result"]["excluded"])
        yield Read(site, session, jobs["cine_sax"], jobs["echo_apical"], jobs["coronary"], left_out, refused)


def messages(site: Site, user: str = "auditor") -> list[ET.Element]:
    """What the trail holds of one user."""
    lines = site.settings.audit_file.read_text().splitlines()
    found = [ET.fromstring(line) for line in lines]  # noqa: S314 - our own
    return [message for message in found if message.find(f"ActiveParticipant[@UserID='{user}']") is not None]


def ask(read: Read, method: str, path: str, body: object) -> requests.Response:
    return read.session.request(
        method,
        f"{read.site.url}{read.address(path)}",
        json=body,
        timeout=120,
        allow_redirects=False,
    )


def shown_path(message: ET.Element) -> str:
    detail = message.find(".//ParticipantObjectDetail")
    if detail is not None:
        return base64.b64decode(detail.attrib["value"]).decode()
    return message.find("ParticipantObjectIdentification").attrib["ParticipantObjectID"]  # type: ignore[union-attr]


@pytest.mark.parametrize(("method", "path"), AUDITED, ids=lambda part: part)
def test_a_route_with_patients_data_leaves_a_message_of_who_read_what(
    read: Read, method: str, path: str
) -> None:
    body = read.body_for(method, path)
    before = len(messages(read.site))
    answer = ask(read, method, path, body)
    assert answer.status_code == 200, answer.text
    (message,) = messages(read.site)[before:]
    declared = DECLARED[method, path]
    assert isinstance(declared, Audited)
    event = message.find("EventIdentification/EventID")
    assert event is not None
    assert event.attrib["csd-code"] == declared.act.value.event.value
    participant = message.find("ActiveParticipant")
    assert participant is not None
    assert participant.attrib["UserID"] == "auditor"
    assert participant.attrib["NetworkAccessPointID"] == "127.0.0.1"
    job_id = read.job_for(path)
    assert shown_path(message) == read.address(path)
    study_uid = job_id.rsplit("-", 3)[0]
    if declared.act is Act.LISTED:
        listed = {study.attrib["UID"] for study in message.iter("StudyIDs")}
        assert study_uid in listed
    else:
        study = message.find("ParticipantObjectIdentification")
        assert study is not None
        assert study.attrib["ParticipantObjectID"] == study_uid


def test_the_list_of_studies_names_each_of_them(read: Read) -> None:
    read.session.get(read.site.url, timeout=60)
    listed = {study.attrib["UID"] for study in messages(read.site)[-1].iter("StudyIDs")}
    assert listed == {job.rsplit("-", 3)[0] for job in (read.cine, read.echo, read.runs, read.refused)}


@pytest.mark.parametrize(("method", "path"), WITHOUT, ids=lambda part: part)
def test_a_route_that_is_said_to_show_no_patient_shows_none(read: Read, method: str, path: str) -> None:
    if path == "/sign-out":
        return  # ends the session of the others; it answers an address alone
    before = len(messages(read.site))
    answer = ask(read, method, path, BODIES.get((method, path)))
    studies = [job.rsplit("-", 3)[0] for job in (read.cine, read.echo, read.runs, read.refused)]
    for secret in ("Phantom", "PHANTOM", *studies):
        assert secret not in answer.text
    codes = [m.find("EventIdentification/EventID").attrib["csd-code"] for m in messages(read.site)[before:]]  # type: ignore[union-attr]
    assert set(codes) <= {Act.SIGNED_IN.value.event.value, Act.READERS_CHANGED.value.event.value}


def test_what_an_open_page_asks_again_and_again_is_counted(read: Read) -> None:
    for path in ("/worklist", f"/api/studies/{read.cine}/shared"):
        read.session.get(f"{read.site.url}{path}", timeout=60)
        before = len(messages(read.site))
        for _ in range(5):
            assert read.session.get(f"{read.site.url}{path}", timeout=60).ok
        assert len(messages(read.site)) == before


def test_what_a_reader_signs_is_recorded_as_it_is_stored(read: Read) -> None:
    study_uid = read.cine.rsplit("-", 3)[0]

    def stored() -> int:
        found = messages(read.site, read.site.settings.worker_name)
        objects = [message.find("ParticipantObjectIdentification") for message in found]
        return sum(o is not None and o.attrib["ParticipantObjectID"] == study_uid for o in objects)

    eventually(lambda: stored() > 1, "the signed objects to be stored")


def test_a_refused_request_is_no_reading(read: Read) -> None:
    before = len(messages(read.site))
    for path in ("pixels/99", "loops/a4c/labels", "nothing"):
        assert (
            read.session.get(f"{read.site.url}/api/studies/{read.cine}/{path}", timeout=60).status_code == 404
        )
    assert requests.get(f"{read.site.url}/worklist", timeout=60).status_code == 401
    assert len(messages(read.site)) == before


def test_no_message_no_answer(tmp_path: Path) -> None:
    with light_page(tmp_path) as page:
        session = page.signed_in("reed")

        def full(event: AuditEvent) -> None:
            raise TemporarilyUnavailable("audit_unavailable", "the audit trail cannot be written: full.")

        object.__setattr__(page.page, "record", full)
        answer = session.get(page.url, timeout=30)
        assert (answer.status_code, "audit trail cannot be written" in answer.text) == (503, True)
        assert session.get(f"{page.url}/sign-in", timeout=30).ok


def test_a_route_that_declares_nothing_cannot_be_made() -> None:
    routes = APIRouter(route_class=DeclaredRoute)

    def endpoint() -> str:
        return ""

    with pytest.raises(TypeError, match="declare"):
        routes.get("/x")(endpoint)
    with pytest.raises(ValueError, match="says why"):
        shows(NoPatientData(""))


def test_a_study_without_a_result_is_not_compared(read: Read) -> None:
    answer = read.session.get(f"{read.site.url}/studies/{read.runs}/compare", timeout=60)
    assert 400 <= answer.status_code < 500
    assert "no result to compare" in answer.text
