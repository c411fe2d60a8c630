"""A synthetic study and its results in OHIF: what a reader sees there, compared by pixels.

``make proof-ohif`` fetches the viewer and runs this; without it these tests skip.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from cvai.analyses.cine_sax.contoured import CONTOURS
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import AssembledCine
from cvai.dicom.write.codes import STRUCTURE_RGB
from cvai.dicom.write.plan import Extra
from cvai.domain.anatomy import SAX_LABELS
from cvai.domain.cine import CineStack
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.domain.uncertainty import Uncertainty
from cvai.phantom.cine_sax.dicom import write_instances
from cvai.phantom.cine_sax.phantom import Phantom, make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.pipeline import analyse_folder
from tests.conftest import ROOT
from tests.e2e.ohif import FLAGS, Ohif, ohif_served
from tests.orthanc import Orthanc, needs_orthanc
from tests.ready import ready

DIST = Path(os.environ.get("CVAI_OHIF", ROOT / "build" / "ohif" / "package" / "dist"))
CHROMIUM = shutil.which("chromium")
PICTURES = os.environ.get("CVAI_OHIF_PICTURES")
"""Folder for screenshots; none are kept where it is not set."""

pytestmark = [
    needs_orthanc,
    pytest.mark.orthanc,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not DIST.is_dir(), reason="OHIF is not here (make proof-ohif)"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian package chromium)"),
]

GREY = 40
"""Largest difference between channels of a pixel that no segment covers."""


@dataclass(frozen=True)
class TrueLabels:
    """Draws what is true of the phantom."""

    phantom: Phantom
    uncertainty: Uncertainty | None = None
    identity = ModelIdentity("truth", "1.0", "0" * 64, "none")

    def segment(self, stack: CineStack) -> CineSegmentation:
        """A phantom counts slices from the base, a cine along their normal: places tell which is which."""
        true_mm, stack_mm = self.phantom.labels.geometry.positions_mm, stack.geometry.positions_mm
        distances_mm = np.linalg.norm(true_mm[:, np.newaxis] - stack_mm, axis=2)
        assert distances_mm.min(axis=0).max() < 0.01
        return CineSegmentation(self.phantom.labels.labels[:, distances_mm.argmin(axis=0)], stack.geometry)


@dataclass(frozen=True)
class Shown:
    """The study, what is true about it, and where it is open."""

    viewer: Ohif
    names: list[str]
    cine: AssembledCine
    labels: np.ndarray
    phases: KeyPhases

    def image(self, t: int, z: int) -> int:
        """Place of a frame in the viewer's stack."""
        uid = self.cine.planes[t][z].sop_instance_uid
        return next(i for i, name in enumerate(self.names) if f"/{uid}/" in name)

    def points(self, t: int, z: int, label: int, n: int = 12) -> list[np.ndarray]:
        """Some places that carry a label, their neighbours too: a viewer rounds at borders."""
        same = self.labels[t, z] == label
        inner = same.copy()
        for axis in (0, 1):
            for step in (-2, -1, 1, 2):
                inner &= np.roll(same, step, axis)
        places = np.argwhere(inner)
        chosen = places[:: max(1, len(places) // n)][:n]
        return [self.cine.stack.geometry.point_mm(z, y, x) for y, x in chosen]

    def picture(self, name: str) -> None:
        if PICTURES:
            self.viewer.screenshot(Path(PICTURES) / f"ohif_{name}.jpg")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("ohif")
    (folder / "study").mkdir()
    acquisition = PhantomAcquisition(n_phases=8, seed=3)
    phantom = make_phantom(PhantomHeart.drawn(3, ef_percent=48.0), acquisition)
    images = write_instances(folder / "study", phantom)
    (outcome,) = analyse_folder(
        folder / "study", folder / "out", ready(TrueLabels(phantom)), extras=list(Extra)
    )
    cine = assemble_cine(select_sax_cine(read_studies(folder / "study").studies[0]))
    orthanc = Orthanc(folder / "orthanc")
    orthanc.start()
    try:
        orthanc.stow([*images, *(written.path for written in outcome.objects)])
        with ohif_served(DIST, orthanc) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            viewer = Ohif.opened(page, address, phantom.truth.study_uid, n_series=6 + 3)
            labels = TrueLabels(phantom).segment(cine.stack).labels
            yield Shown(viewer, viewer.images(), cine, labels, phantom.truth.phases)
            browser.close()
    finally:
        orthanc.stop()


def is_coloured(colour: tuple[int, int, int]) -> bool:
    return max(colour) - min(colour) > GREY


def nearest_structure(colour: tuple[int, int, int]) -> int:
    """Label whose recommended colour has the hue that is drawn."""
    drawn = np.array(colour, float) - min(colour)
    likeness = {
        SAX_LABELS[structure]: float(drawn @ (tint := np.array(rgb, float) - min(rgb)) / np.linalg.norm(tint))
        for structure, rgb in STRUCTURE_RGB.items()
        if structure in SAX_LABELS
    }
    return max(likeness, key=lambda label: likeness[label])


def test_the_study_opens_with_all_its_series(shown: Shown) -> None:
    assert len(shown.names) == shown.labels.shape[0] * shown.labels.shape[1]
    text = shown.viewer.page.inner_text("body")
    for title in ("cine segmentation", "end-diastolic segmentation", "measurements", "report"):
        assert f"cvai {title}"[:20] in text


def test_the_contours_of_a_key_frame_are_drawn_on_its_image(shown: Shown) -> None:
    """OHIF dashes the lines: along each there are coloured pixels, and none within. Once a segmentation is
    loaded, it colours the pixels too."""
    shown.viewer.open_series("cvai contours of key frames")
    shown.viewer.until(lambda: shown.viewer.document("cvai contours")["loaded"], "the contours")
    shown.viewer.until(
        lambda: shown.viewer.page.locator("svg.svg-layer polyline").count() >= len(CONTOURS), "the lines"
    )
    shown.picture("contours")
    t, z = next(
        (t, z)
        for t in (shown.phases.end_diastole, shown.phases.end_systole)
        for z in range(shown.labels.shape[1])
        if shown.names[shown.image(t, z)] == shown.viewer.shown_image()
    )
    page = np.asarray(Image.open(BytesIO(shown.viewer.page.screenshot())).convert("RGB")).astype(int)
    coloured = np.ptp(page, axis=2) > 2 * GREY
    for contour in CONTOURS:
        (line,) = contour.outlines(shown.labels[t, z])
        # An outline counts from the corner of the first pixel, point_mm from its centre.
        points = [shown.cine.stack.geometry.point_mm(z, y - 0.5, x - 0.5) for x, y in line]
        places = np.round(shown.viewer.places(points)).astype(int)
        near = [coloured[y - 1 : y + 2, x - 1 : x + 2].any() for x, y in places]
        assert np.mean(near) > 0.5, contour.name
    inside = np.argwhere(np.isin(shown.labels[t, z], CONTOURS[-1].labels))
    middle = shown.cine.stack.geometry.point_mm(z, *inside.mean(axis=0))
    ((x, y),) = np.round(shown.viewer.places([middle])).astype(int)
    assert not coloured[y - 8 : y + 9, x - 8 : x + 9].any()
    shown.viewer.open_series("Synthetic cine SAX")
    shown.viewer.until(lambda: shown.viewer.images() == shown.names, "the cine to be shown again")


def test_the_end_diastolic_segmentation_is_loaded_onto_its_phase_and_no_other(shown: Shown) -> None:
    shown.viewer.load_segmentation("cvai end-diastolic segmentation")
    ed, (n_phases, n_slices) = shown.phases.end_diastole, shown.labels.shape[:2]
    at_ed = {shown.image(ed, z): z for z in range(n_slices)}
    held = shown.viewer.labels("cvai end-diastolic segmentation", list(at_ed))
    assert len(held) == n_phases * n_slices
    for place, found in held.items():
        if place in at_ed:
            expected = shown.labels[ed, at_ed[place]]
            np.testing.assert_array_equal(np.reshape(found["labels"], expected.shape), expected)
        else:
            assert found["counts"][1:] == [0, 0, 0]


def test_its_colours_are_drawn_where_its_voxels_are(shown: Shown) -> None:
    ed, z = shown.phases.end_diastole, shown.labels.shape[1] // 2
    for label in SAX_LABELS.values():
        colours = shown.viewer.colours(shown.image(ed, z), shown.points(ed, z, label))
        assert all(is_coloured(c) and nearest_structure(c) == label for c in colours), (label, colours)
    shown.picture("ed")


def test_the_first_phase_of_a_slice_is_drawn_over_all_others(shown: Shown) -> None:
    """A defect of OHIF (its issue 4789; docs/reference/viewers.md): when this fails, it has been fixed."""
    ed, z = shown.phases.end_diastole, shown.labels.shape[1] // 2
    assert ed == 0
    other = shown.viewer.colours(shown.image(shown.phases.end_systole, z), shown.points(ed, z, 1))
    assert all(is_coloured(c) for c in other)
    shown.picture("ed_drawn_at_end_systole")


def test_the_cine_segmentation_is_loaded_phase_by_phase(shown: Shown) -> None:
    shown.viewer.open_series("Synthetic cine SAX")
    shown.viewer.load_segmentation("cvai cine segmentation")
    held = shown.viewer.labels("cvai cine segmentation", [])
    n_phases, n_slices = shown.labels.shape[:2]
    for t in range(n_phases):
        for z in range(n_slices):
            expected = np.bincount(shown.labels[t, z].ravel(), minlength=4).tolist()
            assert held[shown.image(t, z)]["counts"] == expected, (t, z)


def test_the_document_is_read(shown: Shown) -> None:
    """OHIF draws measurements that have coordinates, and ours refer to segments: it reads the document and
    all its images, and shows an empty viewport."""
    shown.viewer.open_series("cvai measurements")
    shown.viewer.until(lambda: shown.viewer.document("cvai measurements")["loaded"], "the document")
    n_images = shown.labels.shape[0] * shown.labels.shape[1]
    assert shown.viewer.document("cvai measurements") == {
        "loaded": True,
        "measurement_report": True,
        "images": n_images,
    }


def test_a_capture_is_shown_with_every_frame(shown: Shown) -> None:
    shown.viewer.open_series("cvai cine with contours")
    n_phases = shown.labels.shape[0]
    shown.viewer.until(lambda: len(shown.viewer.images()) == n_phases, "the frames of the capture")
    shown.viewer.until(lambda: "frames" in shown.viewer.shown_image(), "the first frame")
    shown.picture("capture")
