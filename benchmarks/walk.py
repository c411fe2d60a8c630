"""How long a skilled reader takes to correct and sign the base: ``python -m benchmarks.walk``.

A real ``cvai serve`` with a synthetic study, and a real browser that presses the keys. Seconds are those of
the keystroke-level model (Card, Moran and Newell, Commun. ACM 23, 1980, 396-410): keystrokes, hands on the
keyboard, mental preparation of each decision, and the page's own answers as measured here. How long a reader
looks at the heart is in none of them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.review.site import EF, launch, new_site, reader_at, running

KEY_S, HANDS_S, MENTAL_S = 0.28, 0.4, 1.35
"""K of an average typist, H and M of the model."""

CORRECTED = ".stage .top-left:has-text('corrected')"


@dataclass(frozen=True)
class Step:
    """Keys that follow from one thought or several.

    Args:
        title: what they are for.
        keys: as Playwright names them.
        decisions: of the reader, before or after the keys.
        answer: selector of what the page then shows.
    """

    title: str
    keys: tuple[str, ...]
    decisions: int
    answer: str

    @property
    def n_keys(self) -> int:
        """Keys pressed; Ctrl is one of them."""
        return sum(len(key.split("+")) for key in self.keys)

    def seconds(self, response_s: float) -> float:
        """As the model has it."""
        return self.n_keys * KEY_S + self.decisions * MENTAL_S + response_s


OPEN = Step("open the study", ("ArrowDown", "Enter"), 1, "body[data-all-frames-ms]")
SIGN = (
    Step("ask to sign", ("Enter",), 1, "#accept-dialog[open] #accept-what"),
    Step("sign", ("Tab", "Enter"), 1, "#holds:has-text('by Ada Hart')"),
)
STEPS = (
    OPEN,
    Step("see both phases of the basal slice", ("b", "PageUp"), 1, "#image-beside"),
    Step("take the ventricle out at end-systole", ("End", "l"), 2, "#proposal"),
    Step("see the ejection fraction both ways", (), 1, "#proposal"),
    Step("accept the change", ("Enter",), 0, CORRECTED),
    *SIGN,
)


def walked(page: Page, steps: Iterable[Step]) -> list[float]:
    """Press the keys of every step; seconds until the page has answered the last of them."""
    responses_s = []
    for step in steps:
        for key in step.keys:
            begun = time.perf_counter()
            page.keyboard.press(key)
        if step.keys:
            page.wait_for_selector(step.answer)
        responses_s.append(time.perf_counter() - begun if step.keys else 0.0)
    return responses_s


def told(steps: Iterable[Step], responses_s: list[float]) -> str:
    """A table of the steps."""
    rows = [
        (step.title, step.n_keys, step.decisions, response_s, step.seconds(response_s))
        for step, response_s in zip(steps, responses_s, strict=True)
    ]
    _, keys, thoughts, pages_s, seconds = zip(*rows, strict=True)
    rows.append(
        ("together, hands on the keys", sum(keys), sum(thoughts), sum(pages_s), HANDS_S + sum(seconds))
    )
    lines = [f"{name:40} {k:4} {m:2} {page_s:7.2f} {s:6.1f}" for name, k, m, page_s, s in rows]
    return "\n".join([f"{'step':40} keys  M  page s      s", *lines])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(new_site(Path(folder))) as site:
        token = site.add_reader("hart")
        site.deliver(1, 45.0)
        (record,) = site.jobs(1)
        site.pack(record.job.job_id)
        with sync_playwright() as playwright:
            browser = launch(playwright)
            with reader_at(browser, site, token) as page:
                page.wait_for_selector(f'[data-job="{record.job.job_id}"]')
                print(told(STEPS, walked(page, STEPS)))
                print(f"ejection fraction {page.inner_text(EF)} %")
            browser.close()


if __name__ == "__main__":
    main()
