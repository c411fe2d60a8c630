"""What a correction that is carried on does to contours: ``python -m benchmarks.carried``.

On ACDC's validation patients, whose end-diastole and end-systole are known. First the same error is drawn
into both phases (or into slices beside each other), one frame is corrected and its correction carried on.
Then the errors are the model's own. No phases of a heartbeat are farther from each other than these two.

``--echo``: the same on apical loops of phantoms, whose contours are known in every frame: end-diastole and
end-systole of each loop are corrected in turn and carried on to the frames beside them, as far as the page
does at first. Beside it what copying the corrected contours to these frames would give.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.labelled_hearts import validation
from cvai.analyses.cine_sax.page import PAGE
from cvai.analyses.echo_apical.page import PAGE as ECHO_PAGE
from cvai.analyses.page import Layer
from cvai.domain.anatomy import ECHO_LABELS, SAX_LABELS
from cvai.domain.carried import Reach, carried, signed_distances, with_layer, within
from cvai.domain.cine import CineStack
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.sector import sector_of_loop
from cvai.domain.geometry import StackGeometry
from cvai.domain.phases import KeyPhases
from cvai.models.echo import EchoSegmenter
from cvai.models.sax import SaxSegmenter
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import make_echo_phantom
from cvai.phantom.parameters import PhantomHeart

Frame = NDArray[np.uint8]
ERROR_PX, WIDTH_RAD, FEWEST_PX = 4.0, 0.6, 30
ECHO_ERROR_PX = 12.0
"""On pixels of 0.4 mm: some 5 mm, as the other one."""
FULL = 99
"""So far a correction reaches that next to nothing of it has faded in the frame beside it."""


def with_error(labels: Frame, layer: Layer, pixels: float, angle: float) -> Frame:
    """A frame with a contour that bulges in one direction."""
    mask = within(labels, layer)
    if np.count_nonzero(mask) < FEWEST_PX:
        return labels
    y, x = np.nonzero(mask)
    rows, columns = np.indices(mask.shape)
    around = np.angle(np.exp(1j * (np.arctan2(rows - y.mean(), columns - x.mean()) - angle)))
    moved = signed_distances(mask) + pixels * np.exp(-((around / WIDTH_RAD) ** 2))
    return with_layer(labels, layer, moved > 0)


def dice(one: Frame, other: Frame, labels: Iterable[int] = SAX_LABELS.values()) -> float:
    """Mean over structures that either has."""
    masks = [(one == k, other == k) for k in labels]
    return float(
        np.mean([2 * np.sum(a & b) / (np.sum(a) + np.sum(b)) for a, b in masks if a.any() or b.any()])
    )


def pairs(drawn: Frame, known: Frame) -> Iterator[tuple[str, Frame, Frame]]:
    """Two frames as drawn and as known, (2, y, x), the corrected one first: other phase, slice beside."""
    n_slices = drawn.shape[1]
    for t, z in np.ndindex(2, n_slices):
        others = [("phase", 1 - t, z), *(("slice", t, k) for k in (z - 1, z + 1) if 0 <= k < n_slices)]
        for name, other_t, other_z in others:
            places = ((t, z), (other_t, other_z))
            if all(labels[place].any() for labels in (drawn, known) for place in places):
                yield name, *(np.stack([labels[place] for place in places]) for labels in (drawn, known))


def carried_dice(drawn: Frame, known: Frame, fading: int) -> tuple[float, float]:
    """Of the second frame, before and after the correction of the first one has been carried on to it."""
    found = carried(drawn, {0: known[0]}, Reach(0, fading, 1, cyclic=False), PAGE.layers)
    return dice(drawn[1], known[1]), dice(found[1], known[1])


def echo_dices(drawn: Frame, known: Frame, phases: KeyPhases) -> Iterator[tuple[int, float, float, float]]:
    """Frames apart; Dice of a frame as drawn, with the correction carried on, and with contours copied."""
    systole = phases.end_systole - phases.end_diastole
    for source in (phases.end_diastole, phases.end_systole):
        reach = Reach(source, max(1, systole // 2), systole, cyclic=False)
        for t, found in carried(drawn, {source: known[source]}, reach, ECHO_PAGE.layers).items():
            labels = drawn[t], found, known[source]
            yield abs(t - source), *(dice(frame, known[t], ECHO_LABELS.values()) for frame in labels)


def of_echo(hearts: int) -> None:
    segmenter, random = EchoSegmenter.load(Path("models/echo")), np.random.default_rng(1)
    scores: dict[tuple[str, int], list[tuple[float, float, float]]] = defaultdict(list)
    for seed in range(hearts):
        phantom = make_echo_phantom(PhantomHeart.drawn(seed, 55.0), LoopAcquisition(n_frames=26, seed=seed))
        for view, frames in phantom.frames.items():
            known = phantom.labels[view]
            layer = ECHO_PAGE.layers[random.integers(len(ECHO_PAGE.layers))]
            angle, pixels = random.uniform(-np.pi, np.pi), random.choice([-1.0, 1.0]) * ECHO_ERROR_PX
            wrong = np.stack([with_error(frame, layer, pixels, angle) for frame in known])
            spacing_mm = (phantom.truth.acquisition.spacing_y_mm, phantom.truth.acquisition.spacing_x_mm)
            loop = EchoLoop(frames, sector_of_loop(frames), spacing_mm, None, None)
            for errors, drawn in (
                ("the same in all", wrong),
                ("the model's", segmenter.segment(loop).labels),
            ):
                for apart, *found in echo_dices(drawn, known, phantom.truth.phases):
                    scores[errors, apart].append((found[0], found[1], found[2]))
    print(f"{'errors':16} {'apart':>5} {'n':>4} {'before':>7} {'carried':>7} {'copied':>7} {'better':>7}")
    for (errors, apart), of in sorted(scores.items()):
        before, after, copied = np.array(of).T
        means = f"{before.mean():7.4f} {after.mean():7.4f} {copied.mean():7.4f}"
        print(f"{errors:16} {apart:5} {len(of):4} {means} {100 * np.mean(after > before):5.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--echo", type=int, metavar="HEARTS", help="loops of so many phantoms instead")
    asked = parser.parse_args()
    if asked.echo:
        of_echo(asked.echo)
        return
    cohort = validation(asked.patients)
    segmenter = SaxSegmenter.load(Path("models/sax"))
    random = np.random.default_rng(1)
    scores: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for patient in cohort.patients:
        volumes = [cohort.volume(patient, phase) for phase in ("ED", "ES")]
        known = np.stack([volume.labels for volume in volumes])
        images = np.stack([volume.image for volume in volumes])
        geometry = StackGeometry.unplaced(images.shape[1], volumes[0].spacing_mm)
        by_model = segmenter.segment(CineStack(images, geometry, None, None)).labels
        layer, angle = PAGE.layers[random.integers(len(PAGE.layers))], random.uniform(-np.pi, np.pi)
        sign = random.choice([-1.0, 1.0])
        wrong = np.array([[with_error(f, layer, sign * ERROR_PX, angle) for f in phase] for phase in known])
        for errors, drawn in (("the same in both", wrong), ("the model's", by_model)):
            for name, *frames in pairs(drawn, known):
                for reach, fading in (("whole", FULL), ("half", 1)):
                    scores[errors, name, reach].append(carried_dice(*frames, fading))
    print(f"{'errors':18} {'to a':6} {'share':6} {'n':>4} {'before':>7} {'after':>7} {'better':>7}")
    for key, found in scores.items():
        before, after = np.array(found).T
        means = f"{before.mean():7.4f} {after.mean():7.4f} {100 * np.mean(after > before):5.0f} %"
        print(f"{key[0]:18} {key[1]:6} {key[2]:6} {len(found):4} {means}")


if __name__ == "__main__":
    main()
