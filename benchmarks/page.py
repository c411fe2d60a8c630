"""How fast the reader's page shows and plays a study, and what it weighs.

``python -m benchmarks.page`` from the root of the project: a real ``cvai serve`` with a synthetic study of 12
slices x 25 phases x 256 x 256, opened in Debian's chromium on loopback.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.review.site import Site, launch, new_site, open_study, reader_at, running

SLICES, PHASES, PIXELS = 12, 25, 256
OPENINGS = 3
DRAG_STEPS = 20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(new_site(Path(folder))) as site:
        site.deliver(0, 55.0, n_phases=PHASES, n_slices=SLICES, n_pixels=PIXELS)
        (record,) = site.jobs(1)
        site.pack(record.job.job_id)
        with sync_playwright() as playwright:
            browser = launch(playwright, shutil.which("chromium"))
            token = site.add_reader("bench")
            for _ in range(OPENINGS):
                measure(browser, site, token, record.job.job_id)
            browser.close()


def measure(browser: Browser, site: Site, token: str, job_id: str) -> None:
    with reader_at(browser, site, token) as page:
        weight: list[int] = []
        page.on("requestfinished", lambda request: weight.append(size_of(request)))
        open_study(page, site, job_id)
        measured = page.evaluate("({...document.body.dataset})")
        page.keyboard.press("Space")
        page.wait_for_timeout(4000)
        played = page.evaluate("document.body.dataset.framesPerSecond")
        page.keyboard.press("Space")
        print(
            f"first frame {measured['firstFrameMs']} ms, all frames {measured['allFramesMs']} ms, "
            f"{played} frames/s, numbers follow a drag in {drag_ms(page):.0f} ms, "
            f"page {sum(weight) / 1000:.0f} kB without images"
        )


def size_of(request: Request) -> int:
    """Bytes that answered, of what is not an image: pixels and labels are."""
    if "/pixels/" in request.url or request.url.endswith("/labels"):
        return 0
    return request.sizes()["responseBodySize"]


def drag_ms(page: Page) -> float:
    """Median time from a movement of the hand to the next picture with its numbers."""
    times = page.evaluate(
        """async (steps) => {
          document.querySelector('[data-tool="add"]').click();
          const canvas = document.getElementById("image");
          const box = canvas.getBoundingClientRect();
          const clientY = box.top + box.height / 2;
          const send = (kind, clientX) => canvas.dispatchEvent(new PointerEvent(kind, {
            clientX, clientY, pointerId: 1, button: 0, buttons: 1, bubbles: true}));
          const capture = canvas.setPointerCapture;
          canvas.setPointerCapture = () => undefined;
          send("pointerdown", box.left + box.width / 2);
          const times = [];
          for (let i = 0; i < steps; i++) {
            const begun = performance.now();
            send("pointermove", box.left + box.width / 2 + 4 * i);
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            times.push(performance.now() - begun);
          }
          send("pointerup", box.left + box.width / 2);
          canvas.setPointerCapture = capture;
          return times;
        }""",
        DRAG_STEPS,
    )
    return float(sorted(times)[len(times) // 2])


if __name__ == "__main__":
    main()
