"""True and measured ejection fraction of 10 synthetic hearts by ultrasound: ``echo_phantom_ef.py``.

True is what discs of one height give on the true outlines. To save time only the true end-diastolic and
end-systolic frames are segmented; the choice of frames is tested elsewhere.
"""

from __future__ import annotations

import sys

import numpy as np

from cvai.domain.echo.function import KeyDiscs, biplane_volumes
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.sector import sector_of_frame
from cvai.domain.echo.simpson import disc_stack
from cvai.domain.echo.views import EchoView
from cvai.errors import HeartRefused
from cvai.models.echo import EchoSegmenter
from cvai.models.folders import model_folder
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import VIEWS, EchoPhantom, make_echo_phantom
from cvai.phantom.parameters import PhantomHeart

N_HEARTS = 10


def seen(phantom: EchoPhantom, view: EchoView, segmenter: EchoSegmenter) -> tuple[EchoView, KeyDiscs]:
    """The view the model names, and its discs at the true phases."""
    acquisition, phases = phantom.truth.acquisition, phantom.truth.phases
    spacing_mm = (acquisition.spacing_y_mm, acquisition.spacing_x_mm)
    frames = phantom.frames[view][[phases.end_diastole, phases.end_systole]]
    loop = EchoLoop(frames, sector_of_frame(frames[0]), spacing_mm, None, None)
    segmentation = segmenter.segment(loop)
    return segmentation.view, KeyDiscs(*(disc_stack(labels, spacing_mm) for labels in segmentation.labels))


def main() -> int:
    segmenter = EchoSegmenter.load(model_folder("echo"))
    # Three and ten have no common divisor, so neighbouring seeds get unlike ejection fractions.
    fractions = np.linspace(25.0, 70.0, N_HEARTS)[np.arange(N_HEARTS) * 3 % N_HEARTS]
    errors, misnamed = [], 0
    print("| seed | true EDV/ESV mL | measured EDV/ESV mL | true EF % | measured EF % | error |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for seed, ef_percent in enumerate(fractions.tolist()):
        acquisition = LoopAcquisition(n_frames=20, frame_time_ms=50.0, seed=seed)
        phantom = make_echo_phantom(PhantomHeart.drawn(seed, ef_percent), acquisition)
        try:
            named, discs = zip(*(seen(phantom, view, segmenter) for view in VIEWS), strict=True)
        except HeartRefused as refusal:
            print(f"| {seed} | refused: {refusal.code} |")
            continue
        misnamed += sum(a is not b for a, b in zip(named, VIEWS, strict=True))
        true, measured = phantom.truth.by_discs, biplane_volumes(*discs)
        errors.append(measured.ef_percent - true.ef_percent)
        print(
            f"| {seed} | {true.edv_ml:.0f}/{true.esv_ml:.0f} | {measured.edv_ml:.0f}/{measured.esv_ml:.0f} "
            f"| {true.ef_percent:.1f} | {measured.ef_percent:.1f} | {errors[-1]:+.1f} |",
            flush=True,
        )
    print(f"\nbias {np.mean(errors):+.1f}, SD {np.std(errors):.1f}, n = {len(errors)}")
    print(f"{misnamed} of {2 * N_HEARTS} loops named wrongly")
    return 0


if __name__ == "__main__":
    sys.exit(main())
