"""What the page answers to requests that no reader of good will would make."""

from __future__ import annotations

import pytest
import requests

from cvai.review.security import CONTENT_SECURITY_POLICY
from tests.review.site import Site

PATHS = ["/sign-in", "/", "/static/study.js", "/api/studies/1.2", "/nothing"]
HOSTILE_IDS = [
    "..%2f..%2fetc%2fpasswd",
    "1.2.3'--",
    "%00",
    "1.2.3-000000000000-000000000000",
    "unreadable-..%2f",
]


@pytest.fixture(scope="session")
def session(site: Site, hart: str) -> requests.Session:
    made = requests.Session()
    answer = made.post(f"{site.url}/sign-in", data={"token": hart}, timeout=60)
    assert answer.ok
    return made


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers(site: Site, path: str) -> None:
    headers = requests.get(f"{site.url}{path}", timeout=60, allow_redirects=False).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "server" not in headers


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site, guest: str) -> None:
    answer = requests.post(f"{site.url}/sign-in", data={"token": guest}, timeout=60, allow_redirects=False)
    cookie = answer.headers["Set-Cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_nobody_gets_in_without_a_session(site: Site, job_ids: list[str]) -> None:
    for path in (
        "/",
        f"/studies/{job_ids[0]}",
        "/agreement",
        f"/studies/{job_ids[0]}/report.pdf",
    ):
        answer = requests.get(f"{site.url}{path}", timeout=60, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (303, "/sign-in"), path
    of_study = (
        f"/api/studies/{job_ids[0]}{path}" for path in ("", "/pixels/0", "/labels", "/priors", "/shared")
    )
    for path in ("/worklist", *of_study):
        answer = requests.get(f"{site.url}{path}", timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_needed"), path


def test_a_wrong_token_is_refused_in_words(site: Site) -> None:
    answer = requests.post(f"{site.url}/sign-in", data={"token": "guess"}, timeout=60)
    assert answer.status_code == 401
    assert "This token is not known here." in answer.text


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_a_request_made_by_another_page_is_refused(
    site: Site, session: requests.Session, job_ids: list[str], headers: dict[str, str]
) -> None:
    answer = session.delete(
        f"{site.url}/api/studies/{job_ids[0]}/draft", json={}, headers=headers, timeout=60
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "request_forged")


def test_a_change_without_the_words_of_the_page_is_refused(
    site: Site, session: requests.Session, job_ids: list[str]
) -> None:
    for told in ({}, {"X-CSRF-Token": "guess"}):
        answer = session.delete(
            f"{site.url}/api/studies/{job_ids[0]}/draft", json={}, headers=told, timeout=60
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "request_forged")


def test_a_name_of_somebody_else_that_points_here_is_turned_away(site: Site) -> None:
    answer = requests.get(f"{site.url}/sign-in", headers={"Host": "evil.example"}, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (421, "host_unknown")


@pytest.mark.parametrize("job_id", HOSTILE_IDS)
def test_a_study_that_is_none_is_not_found(site: Site, session: requests.Session, job_id: str) -> None:
    for path in (f"/studies/{job_id}", f"/api/studies/{job_id}", f"/api/studies/{job_id}/pixels/0"):
        assert session.get(f"{site.url}{path}", timeout=60).status_code == 404


def test_a_slice_that_is_none_is_not_found(site: Site, session: requests.Session, job_ids: list[str]) -> None:
    for z in ("-1", "99", "0.5", "..%2fcine.json"):
        answer = session.get(f"{site.url}/api/studies/{job_ids[0]}/pixels/{z}", timeout=60)
        assert answer.status_code in (404, 422), z


@pytest.mark.parametrize(
    "changes",
    [
        {"ed": 0, "es": 0, "frames": []},
        {"ed": 0, "es": 999, "frames": []},
        {"ed": -1, "es": 2, "frames": []},
        {"ed": 0, "es": 3, "frames": [{"t": 0, "z": 99, "runs": [25600, 0]}]},
        {"ed": 0, "es": 3, "frames": [{"t": 0, "z": 0, "runs": [25599, 0]}]},
        {"ed": 0, "es": 3, "frames": [{"t": 0, "z": 0, "runs": [25600, 4]}]},
        {"ed": 0, "es": 3, "frames": [{"t": 0, "z": 0, "runs": [25600]}]},
        {"ed": 0, "es": 3, "frames": [{"t": 0, "z": 0, "runs": [-1, 0, 25601, 0]}]},
        {"ed": 0, "es": 3, "frames": [], "path": "../x"},
        {"ed": 0, "es": 3, "frames": [], "chosen": {"lv_ef": 70}},
        {"ed": 0, "es": 3, "frames": [], "chosen": {"lv_wall_motion_mid_anterior": 5}},
        {"ed": 0, "es": 3, "frames": [], "chosen": {"lv_wall_motion_mid_anterior": 1.5}},
        "nothing",
    ],
)
def test_changes_that_do_not_fit_are_refused_and_nothing_is_kept(
    site: Site, session: requests.Session, job_ids: list[str], changes: object
) -> None:
    address = f"{site.url}/api/studies/{job_ids[1]}"
    kept = session.get(f"{address}/shared", timeout=60).json()["draft"]
    answer = session.put(f"{address}/draft", json=changes, headers=words(site, session), timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (422, "changes_invalid")
    assert session.get(f"{address}/shared", timeout=60).json()["draft"] == kept


def test_a_rejection_without_a_reason_is_refused(
    site: Site, session: requests.Session, job_ids: list[str]
) -> None:
    body = {"after": 0, "changes": None, "reason": "  "}
    answer = session.post(
        f"{site.url}/api/studies/{job_ids[1]}/decision", json=body, headers=words(site, session), timeout=60
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "reason_missing")


def test_who_may_only_look_cannot_change_anything(site: Site, guest: str, job_ids: list[str]) -> None:
    viewer = requests.Session()
    viewer.post(f"{site.url}/sign-in", data={"token": guest}, timeout=60)
    address = f"{site.url}/api/studies/{job_ids[1]}"
    told = words(site, viewer)
    changes = {"ed": 0, "es": 3, "frames": []}
    for answer in (
        viewer.put(f"{address}/draft", json=changes, headers=told, timeout=60),
        viewer.post(f"{address}/decision", json={"after": 0, "changes": changes}, headers=told, timeout=60),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    assert viewer.get(f"{site.url}/agreement", timeout=60).status_code == 403


def test_no_patient_is_named_in_logs_and_no_token_either(site: Site, hart: str) -> None:
    assert "serving" in site.log
    audit = "".join(p.read_text() for p in site.settings.data_folder.glob("*audit*"))
    for secret in ("Phantom", "PHANTOM", hart, site.first_token):
        assert secret not in site.log
        assert secret not in audit


def words(site: Site, session: requests.Session) -> dict[str, str]:
    page = session.get(site.url, timeout=60).text
    return {"X-CSRF-Token": page.split('name="csrf" content="')[1].split('"')[0]}
