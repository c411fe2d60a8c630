"""The prebuilt OHIF viewer, served from loopback in front of an Orthanc, in a real browser. Not shipped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.loopback import serving
from tests.orthanc import Orthanc

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
"""OHIF draws with WebGL; without a graphics card the browser computes it."""

PATIENCE_S = 300.0
SETTLE_S = 0.4

DATA_SOURCE = {
    "friendlyName": "Orthanc",
    "name": "orthanc",
    "qidoRoot": "/dicom-web",
    "wadoRoot": "/dicom-web",
    "wadoUriRoot": "/dicom-web",
    "qidoSupportsIncludeField": False,
    "imageRendering": "wadors",
    "thumbnailRendering": "wadors",
    "enableStudyLazyLoad": True,
    "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
    "omitQuotationForMultipartRequest": True,
}
CONFIGURATION = {
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    "showStudyList": True,
    "maxNumberOfWebWorkers": 1,
    "showCPUFallbackMessage": False,
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "orthanc",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "orthanc",
            "configuration": DATA_SOURCE,
        }
    ],
}

IN_VIEWPORT = """
  const services = window.services;
  const id = services.viewportGridService.getState().activeViewportId;
  const viewport = services.cornerstoneViewportService.getCornerstoneViewport(id);
"""
SHOWN_IMAGES = f"() => {{ {IN_VIEWPORT} return viewport?.getImageIds?.() ?? []; }}"
COLOURS = f"""async ([image, points, settle_ms]) => {{
  {IN_VIEWPORT}
  const drawn = () => new Promise((resolve) => {{
    viewport.element.addEventListener('CORNERSTONE_IMAGE_RENDERED', resolve, {{ once: true }});
    setTimeout(resolve, 5000);
  }});
  await viewport.setImageIdIndex(image);
  await new Promise((resolve) => setTimeout(resolve, settle_ms));
  const again = drawn();
  viewport.render();
  await again;
  const canvas = viewport.getCanvas();
  const context = canvas.getContext('2d');
  return points.map((point) => {{
    const [x, y] = viewport.worldToCanvas(point).map((v) => Math.round(v * window.devicePixelRatio));
    return Array.from(context.getImageData(x, y, 1, 1).data.slice(0, 3));
  }});
}}"""
LABELS = f"""([description, wanted]) => {{
  {IN_VIEWPORT}
  const found = services.segmentationService.getSegmentations().find((s) => s.label.includes(description));
  return found.representationData.Labelmap.imageIds.map((id) => {{
    const image = window.cornerstone.cache.getImage(id);
    const labels = image.voxelManager.getScalarData();
    const counts = [0, 0, 0, 0];
    for (const label of labels) counts[label] += 1;
    const place = viewport.getImageIds().indexOf(image.referencedImageId);
    return {{ place, counts, labels: wanted.includes(place) ? Array.from(labels) : null }};
  }});
}}"""
SHOWN_AT = f"""(points) => {{
  {IN_VIEWPORT}
  const {{ left, top }} = viewport.element.getBoundingClientRect();
  const places = points.map((point) => viewport.worldToCanvas(point));
  return {{ image: viewport.getCurrentImageId(), places: places.map(([x, y]) => [x + left, y + top]) }};
}}"""
DOCUMENT = """(description) => {
  const documents = window.services.displaySetService.getActiveDisplaySets();
  const reports = documents.filter((set) => set.Modality === 'SR');
  const document = reports.find((set) => set.SeriesDescription.includes(description));
  return {
    loaded: Boolean(document.isLoaded),
    measurement_report: Boolean(document.isImagingMeasurementReport),
    images: document.referencedImages?.length ?? 0,
  };
}"""


@contextmanager
def ohif_served(dist: Path, orthanc: Orthanc) -> Iterator[str]:
    """Address of OHIF, with the archive's DICOMweb below the same one."""

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, directory=str(dist), **named)

        def do_GET(self) -> None:
            if self.path.startswith("/dicom-web"):
                self._pass_on()
            elif self.path.startswith("/app-config.js"):
                self._answer(200, "text/javascript", f"window.config = {json.dumps(CONFIGURATION)};".encode())
            else:
                if not (dist / self.path.split("?")[0].lstrip("/")).is_file():
                    self.path = "/index.html"
                super().do_GET()

        def _pass_on(self) -> None:
            asked = {"Accept": self.headers.get("Accept", "*/*")}
            answer = orthanc.session.get(orthanc.url + self.path, headers=asked, timeout=120)
            here = f"http://{self.headers['Host']}/dicom-web".encode()
            # Orthanc 1.10 leaves the port out of BulkDataURI.
            body = answer.content.replace(b"http://127.0.0.1/dicom-web", here)
            self._answer(answer.status_code, answer.headers.get("Content-Type", ""), body)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: a viewer asks hundreds of times."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server) as root:
        yield root


@dataclass(frozen=True)
class Ohif:
    """A study that is open in the viewer."""

    page: Page

    @classmethod
    def opened(cls, page: Page, address: str, study_uid: str, n_series: int) -> Ohif:
        page.set_default_timeout(1000 * PATIENCE_S)
        page.goto(f"{address}/viewer?StudyInstanceUIDs={study_uid}")
        viewer = cls(page)
        viewer.until(
            lambda: page.locator("[data-cy^=study-browser-thumbnail]").count() >= n_series, "the series"
        )
        viewer.until(viewer.images, "the images")
        viewer.until(lambda: page.get_by_text("Skip all").count() > 0, "the tour that OHIF offers")
        page.get_by_text("Skip all").click()
        return viewer

    def images(self) -> list[str]:
        """Image ids of the active viewport."""
        return list(self.page.evaluate(SHOWN_IMAGES))

    def labels(self, description: str, wanted: Sequence[int]) -> dict[int, dict[str, Any]]:
        """By image of the stack: pixels of each label, and the labels themselves of ``wanted`` images."""
        return {held["place"]: held for held in self.page.evaluate(LABELS, [description, list(wanted)])}

    def document(self, description: str) -> dict[str, Any]:
        """What the viewer has made of a structured report."""
        return dict(self.page.evaluate(DOCUMENT, description))

    def shown_image(self) -> str:
        """Id of the image that the active viewport shows."""
        return str(self.page.evaluate(SHOWN_AT, [])["image"])

    def places(self, points_mm: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
        """Where points of the patient are on the page, (x, y) in its pixels."""
        found = self.page.evaluate(SHOWN_AT, [list(point) for point in points_mm])["places"]
        return [(x, y) for x, y in found]

    def open_series(self, description: str) -> None:
        self.page.get_by_text(description).first.dblclick()

    def load_segmentation(self, description: str) -> None:
        """Open a segmentation and answer that it is to be loaded."""
        loaded = "() => window.services.segmentationService.getSegmentations().map((s) => s.label)"
        self.open_series(description)
        yes = self.page.get_by_text("Yes", exact=True)
        self.until(lambda: yes.count() > 0, "the offer to load the segmentation")
        yes.first.click()
        self.until(
            lambda: any(description in label for label in self.page.evaluate(loaded)), "the segmentation"
        )
        time.sleep(2)

    def colours(self, image: int, points_mm: Sequence[Sequence[float]]) -> list[tuple[int, int, int]]:
        """What is drawn over points of the patient, once an image of the stack is shown and stays so."""
        asked = [image, [list(point) for point in points_mm], 1000 * SETTLE_S]
        seen: list[list[list[int]]] = []

        def stands_still() -> bool:
            seen.append(self.page.evaluate(COLOURS, asked))
            return seen[-2:] == [seen[-1]] * 2 and (not points_mm or any(map(any, seen[-1])))

        self.until(stands_still, "the image to be drawn")
        return [tuple(colour) for colour in seen[-1]]

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path, type="jpeg", quality=80)

    def until(self, holds: Any, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.5)
