"""A cine with spoiled headers is analysed or refused, and never makes an object that dciodvfy rejects.

The cine is a real one where CVAI_DATA holds it. A dozen mutations by default; ``make mutations`` runs 500.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_for_tag

from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.write.result_json import result_schema
from cvai.domain.cine import CineStack
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.domain.uncertainty import Uncertainty
from cvai.phantom.cine_sax.study import DICOM_FOLDER, write_phantom_study
from cvai.pipeline import analyse_folder
from tests.conftest import real_data_folder
from tests.dicom.write.synthetic import beating_labels
from tests.dicom.write.test_dciodvfy import SUMMARY, errors
from tests.e2e.conftest import SMALL
from tests.e2e.mutations import mutated_copy
from tests.ready import ready
from tests.standin import derived_uid

N_MUTATIONS = int(os.environ.get("CVAI_MUTATIONS", "12"))
N_PHASES, SLICES = 10, (4, 5, 6)

TAKEN_OVER = {
    "PatientName", "PatientID", "AccessionNumber", "StudyID", "ReferringPhysicianName", "IssuerOfPatientID",
    "StudyDescription", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "ReferencedSOPInstanceUID", "ReferencedSOPClassUID", "UID",
}  # fmt: skip
"""Identities are taken over letter by letter: a result with others would not stand in its study. What is
wrong with them in the source is wrong with them in the result, and nothing else is."""


@dataclass(frozen=True)
class MadeUpHeart:
    """Draws a heart in a corner of the image, whatever the image shows."""

    uncertainty: Uncertainty | None = None
    identity = ModelIdentity("made-up", "1.0", "0" * 64, "none")

    def segment(self, stack: CineStack) -> CineSegmentation:
        n_phases, n_slices, rows, columns = stack.pixels.shape
        labels = np.zeros(stack.pixels.shape, np.uint8)
        labels[..., : rows // 3, : columns // 3] = beating_labels(n_phases, n_slices, rows // 3, columns // 3)
        return CineSegmentation(labels, stack.geometry)


@pytest.fixture(scope="module")
def cine(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten phases of three slices, malformed UIDs of real ones replaced: every fault is a mutation's."""
    folder = tmp_path_factory.mktemp("cine")
    paths = []
    with tolerating_values():
        for ds in map(dcmread, real_files() or phantom_files(tmp_path_factory.mktemp("phantom"))):
            replace_uids(ds)
            paths.append(folder / f"{len(paths) + 1}.dcm")
            ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def real_files() -> list[Path]:
    """Of a real cine; none where CVAI_DATA does not hold it."""
    folder = real_data_folder() / "sunnybrook" / "SCD0000301" / "dicom"
    numbers = [20 * z + t + 1 for z in SLICES for t in range(N_PHASES)]
    return [folder / f"{number}.dcm" for number in numbers] if folder.is_dir() else []


def phantom_files(folder: Path) -> list[Path]:
    """Of a synthetic cine: all phases of three slices in the middle of the heart."""
    write_phantom_study(folder, acquisition=replace(SMALL, n_phases=N_PHASES))
    slices = {path: dcmread(path).AcquisitionNumber - 1 for path in (folder / DICOM_FOLDER).glob("*.dcm")}
    return sorted(path for path, z in slices.items() if z in SLICES)


def replace_uids(ds: Dataset) -> None:
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(ds, keyword, derived_uid(str(ds[keyword].value)))
    ds.FrameOfReferenceUID = derived_uid("frame of reference")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID


def of_our_making(complaints: list[str]) -> list[str]:
    """Complaints about anything but identities taken over from the source."""
    return [line for line in set(complaints) - {SUMMARY} if not TAKEN_OVER & named_in(line)]


def named_in(complaint: str) -> set[str]:
    """Keywords of the attributes that dciodvfy names, by their tags or as elements of a module."""
    tags = re.findall(r"\(0x([0-9a-f]{4}),0x([0-9a-f]{4})\)", complaint)
    elements = re.findall(r"Element=<(\w+)>", complaint)
    return {*elements, *(keyword_for_tag(int(group + element, 16)) for group, element in tags)}


@pytest.mark.parametrize("seed", range(N_MUTATIONS))
def test_a_mutated_study_is_analysed_or_refused(
    cine: list[Path], tmp_path: Path, dciodvfy: str, seed: int
) -> None:
    done = mutated_copy(cine, tmp_path / "study", seed)
    for outcome in analyse_folder(tmp_path / "study", tmp_path / "out", ready(MadeUpHeart())):
        record = json.loads((outcome.folder / "result.json").read_text(encoding="utf-8"))
        jsonschema.validate(record, result_schema())
        assert (outcome.status == "refused") is (outcome.error is not None)
        for written in outcome.objects:
            assert of_our_making(errors(dciodvfy, written.path)) == [], f"{written.kind} after: {done}"


def test_the_study_itself_is_analysed(cine: list[Path], tmp_path: Path, dciodvfy: str) -> None:
    """So refusals above are the mutations' doing, and the check of objects is not empty."""
    (outcome,) = analyse_folder(cine[0].parent, tmp_path, ready(MadeUpHeart()))
    assert outcome.status == "analysed"
    for written in outcome.objects:
        assert errors(dciodvfy, written.path) == []
