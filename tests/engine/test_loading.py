"""The analyses of a service, each of which looks at its own images."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from cvai.engine.analyse import StudyOutcome
from cvai.engine.loading import _alone, load_analyses
from cvai.errors import ConfigurationInvalid
from cvai.settings import Settings
from cvai.study.classes import MR_IMAGES, ULTRASOUND_IMAGES
from tests.standin import derived_uid, write, write_image, write_segmentation

STUDY = derived_uid("loading")
ULTRASOUND = sorted(ULTRASOUND_IMAGES)[-1]


def shown(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
    """Writes down which images an analysis was shown."""
    classes = sorted(str(dcmread(path).SOPClassUID) for path in source.iterdir() if path.suffix == ".dcm")
    out.write_text("\n".join(classes))
    return (StudyOutcome(STUDY, "analysed", out, ()),)


def write_ultrasound(folder: Path) -> None:
    image = dcmread(write_image(folder, STUDY, 9))
    image.SOPClassUID = ULTRASOUND
    write(image, folder / "ultrasound.dcm")
    (folder / "image-9.dcm").unlink()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    write_segmentation(folder, STUDY)
    return folder


def test_a_study_of_the_others_images_is_left_alone(source: Path, tmp_path: Path) -> None:
    write_ultrasound(source)
    assert _alone(shown, MR_IMAGES, ULTRASOUND_IMAGES)(source, tmp_path / "out") == ()
    assert not (tmp_path / "out").exists()


def test_of_a_mixed_study_each_is_shown_its_own_images_and_what_was_said_of_them(
    source: Path, tmp_path: Path
) -> None:
    write_ultrasound(source)
    image = write_image(source, STUDY, 1)
    before = sorted(source.iterdir())
    for own, others, kept in (
        (MR_IMAGES, ULTRASOUND_IMAGES, dcmread(image).SOPClassUID),
        (ULTRASOUND_IMAGES, MR_IMAGES, ULTRASOUND),
    ):
        _alone(shown, own, others)(source, tmp_path / "out")
        assert kept in (found := (tmp_path / "out").read_text().splitlines())
        assert len(found) == 2
    assert sorted(source.iterdir()) == before
    assert [path.name for path in source.parent.iterdir() if path.name.startswith(".")] == []


def test_files_that_nobody_can_read_are_looked_at(source: Path, tmp_path: Path) -> None:
    (source / "broken.bin").write_bytes(b"no DICOM")
    assert len(_alone(shown, MR_IMAGES, ULTRASOUND_IMAGES)(source, tmp_path / "out")) == 1


def test_every_installed_model_is_an_analysis_and_its_shadow_follows_from_the_card() -> None:
    cine, loops = load_analyses(Settings(shadow_model="echo"))
    assert (cine.kind, loops.kind) == ("cine_sax", "echo_apical")
    assert cine.sop_classes.isdisjoint(loops.sop_classes)
    assert cine.identity is not None
    assert loops.identity is not None
    assert (cine.sha256, loops.sha256) == (cine.identity.sha256, loops.identity.sha256)
    assert cine.shadow is None
    assert loops.shadow is not None
    assert loops.shadow.identity == loops.identity


def test_a_shadow_without_a_model_at_work_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.engine.loading.installed_echo_segmenter", lambda *_: None)
    assert [analysis.kind for analysis in load_analyses(Settings())] == ["cine_sax"]
    with pytest.raises(ConfigurationInvalid) as caught:
        load_analyses(Settings(shadow_model="echo"))
    assert caught.value.code == "shadow_without_model"
