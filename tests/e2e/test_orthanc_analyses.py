"""Late enhancement and angiography the whole way: results in an Orthanc, a job for each analysis."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvai.dicom.write.result_json import read_entry
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.coronary.run import RunParameters, write_angiography_phantom_study
from cvai.phantom.late_enhancement.study import write_enhancement_study
from cvai.phantom.parameters import PhantomHeart
from tests.dicom.write.test_dciodvfy import complaints
from tests.e2e.conftest import SMALL, Site
from tests.orthanc import needs_orthanc
from tests.process import ended_by_kind

pytestmark = [
    needs_orthanc,
    pytest.mark.orthanc,
]


def outcomes(site: Site, study_uid: str, *kinds: str) -> dict[str, str]:
    """State of each job of a study by its kind."""
    ended = ended_by_kind(site.data_folder, study_uid, set(kinds))
    return {kind: str(record.outcome.state) for kind, record in ended.items()}


def stored(site: Site, study_uid: str, folder: Path) -> list[Path]:
    """What the archive holds of a study besides its images."""
    orthanc, paths = site.orthanc, []
    for found in orthanc.qido(study_uid):
        if found["modality"] in ("SEG", "SR", "DOC"):
            uid = found["sop_instance_uid"]
            (known,) = orthanc.session.post(f"{orthanc.url}/tools/lookup", data=uid, timeout=60).json()
            response = orthanc.session.get(f"{orthanc.url}{known['Path']}/file", timeout=60)
            response.raise_for_status()
            paths.append(folder / f"{uid}.dcm")
            paths[-1].write_bytes(response.content)
    return paths


def test_cine_late_enhancement_and_a_run_get_their_results_each_by_a_job_of_its_own(
    site: Site, tmp_path: Path, dciodvfy: str
) -> None:
    heart = write_enhancement_study(tmp_path / "mr", None, SMALL, heart=PhantomHeart.drawn(7), with_cine=True)
    tree = write_angiography_phantom_study(tmp_path / "xa", (RunParameters(n_frames=14, beat_frames=8),))
    site.serve()
    for modality in ("mr", "xa"):
        site.orthanc.stow(sorted((tmp_path / modality / DICOM_FOLDER).glob("*.dcm")))
    mr, xa = str(heart.study_uid), str(tree.study_uid)
    assert outcomes(site, mr, "cine_sax", "late_enhancement") == {
        "cine_sax": "analysed",
        "late_enhancement": "analysed",
    }
    assert outcomes(site, xa, "coronary") == {"coronary": "analysed"}
    written = {uid: site.modalities(uid) for uid in (mr, xa)}
    assert {m: written[mr][m] for m in ("SEG", "SR", "DOC")} == {"SEG": 4, "SR": 2, "DOC": 2}
    assert written[xa] == {"XA": 1, "SEG": 1, "SR": 1, "DOC": 1}
    for study_uid in (mr, xa):
        for path in stored(site, study_uid, tmp_path):
            assert complaints(dciodvfy, path) == []
    entries = {e["kind"]: e for e in map(read_entry, site.data_folder.glob("results/*/*/result.json"))}
    assert {kind: entry["view"] for kind, entry in entries.items()} == {
        "cine_sax": "sax_cine",
        "late_enhancement": "sax_lge",
        "coronary": "coronary_right",
    }
    (stenosis,) = (m for m in entries["coronary"]["measurements"] if m["name"] == "max_stenosis")
    assert stenosis["value"] == pytest.approx(65.0, abs=5.0)


def test_a_cine_alone_is_nothing_to_do_for_late_enhancement(
    site: Site, phantom_study: tuple[str, list[Path]]
) -> None:
    study_uid, paths = phantom_study
    site.serve()
    site.orthanc.stow(paths)
    assert outcomes(site, study_uid, "cine_sax", "late_enhancement") == {
        "cine_sax": "analysed",
        "late_enhancement": "nothing_to_do",
    }
    assert site.modalities(study_uid)["SR"] == 1
