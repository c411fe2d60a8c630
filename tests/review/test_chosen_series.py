"""Another series of a study is measured since a reader chose it, in a real service."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from PIL import Image
from pydicom import dcmread
from pydicom.uid import generate_uid

from cvai.dicom.write.result_json import read_entry
from cvai.jobs.job import JobState
from cvai.review.sign_in.accounts import Role
from tests.review.site import Site, new_site, running

pytestmark = pytest.mark.servers


def repeat_stack(folder: Path) -> None:
    """Add the same stack once more, acquired earlier by its series number."""
    images = [(path, dcmread(path)) for path in sorted(folder.rglob("*")) if path.is_file()]
    stack = max({ds.SeriesInstanceUID for _, ds in images}, key=lambda uid: _count(images, uid))
    for path, ds in images:
        if ds.SeriesInstanceUID == stack:
            ds.SeriesInstanceUID = generate_uid(entropy_srcs=[stack, "again"])
            ds.SOPInstanceUID = generate_uid(entropy_srcs=[ds.SOPInstanceUID, "again"])
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            ds.SeriesNumber = 0
            ds.save_as(path.with_name(f"again-{path.name}"))


def _count(images: list[tuple[Path, object]], series_uid: str) -> int:
    return sum(getattr(ds, "SeriesInstanceUID", "") == series_uid for _, ds in images)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = new_site(tmp_path_factory.mktemp("series"))
    with running(made):
        made.deliver(1, 45.0, n_slices=9, n_pixels=128, with_long_axes=True, before=repeat_stack)
        made.jobs(1)
        yield made


@pytest.fixture(scope="module")
def reader(site: Site) -> requests.Session:
    token = site.add_reader("hart", Role.REVIEWER, "Hart^Ada")
    session = requests.Session()
    session.post(f"{site.url}/sign-in", data={"token": token}, timeout=60).raise_for_status()
    text = session.get(site.url, timeout=60).text
    session.headers["X-CSRF-Token"] = text.split('name="csrf" content="')[1].split('"')[0]
    return session


def test_a_reader_has_another_series_measured_and_a_refusal_leaves_the_result(
    site: Site, reader: requests.Session
) -> None:
    (first,) = site.jobs(1)
    assert first.outcome.state is JobState.ANALYSED
    entry = read_entry(site.settings.data_folder / "results" / first.outcome.result)
    assert entry["series_chosen"] is None
    left_out = {left["series_uid"]: left["reason"] for left in entry["excluded"]}
    again = next(uid for uid, reason in left_out.items() if "was preferred" in reason)
    long_axis = next(uid for uid, reason in left_out.items() if "long-axis" in reason)
    api, page = f"{site.url}/api/studies", f"{site.url}/studies"
    named = {left["series_uid"]: left["series"] for left in entry["excluded"]}
    assert named[again] == {"number": 0, "description": "Synthetic cine SAX", "n_images": 9 * 8}
    shown = reader.get(f"{page}/{first.job.job_id}", timeout=60).text
    assert shown.count("Measure this series instead") == len(left_out)
    assert "0 Synthetic cine SAX" in shown
    for uid, status in ((again, 200), (long_axis, 200), ("1.2.3", 404)):
        answer = reader.get(f"{api}/{first.job.job_id}/left-out/{uid}", timeout=60)
        assert answer.status_code == status
    still = reader.get(f"{api}/{first.job.job_id}/left-out/{again}", timeout=60).content
    assert Image.open(io.BytesIO(still)).size == (128, 128)

    wrong = reader.post(f"{api}/{first.job.job_id}/series", json={"series_uid": "1.2.3"}, timeout=60)
    assert wrong.json()["code"] == "series_not_offered"

    body = {"series_uid": long_axis}
    refused_id = reader.post(f"{api}/{first.job.job_id}/series", json=body, timeout=60).json()["job_id"]
    refused = next(record for record in site.jobs(2) if record.job.job_id == refused_id)
    assert (refused.outcome.state, refused.outcome.code) == (JobState.REFUSED, "chosen_series_no_stack")
    shown = reader.get(f"{page}/{first.job.job_id}", timeout=60).text
    assert "is no stack of cine slices" in shown
    assert "This result stays." in shown
    rows = reader.get(f"{site.url}/worklist", timeout=60).text
    assert f'data-job="{first.job.job_id}"' in rows
    assert f'data-job="{refused_id}"' not in rows

    body = {"series_uid": again}
    chosen_id = reader.post(f"{api}/{first.job.job_id}/series", json=body, timeout=60).json()["job_id"]
    chosen = next(record for record in site.jobs(3) if record.job.job_id == chosen_id)
    assert chosen.outcome.state is JobState.ANALYSED
    entry = read_entry(site.settings.data_folder / "results" / chosen.outcome.result)
    assert entry["series_uid"] == again
    assert entry["series_chosen"]["by"] == "Hart^Ada"
    assert "series_chosen_by_reader" in {finding["code"] for finding in entry["findings"]}
    rows = reader.get(f"{site.url}/worklist", timeout=60).text
    assert f'data-job="{chosen_id}"' in rows
    assert f'data-job="{first.job.job_id}"' not in rows
    study = reader.get(f"{api}/{chosen_id}", timeout=120).json()
    assert study["cine"]["n_slices"] == 9
    shown = reader.get(f"{page}/{chosen_id}", timeout=60).text
    assert "Series chosen by Hart, Ada on" in shown
