"""True and measured strain of one synthetic heart, imaged again and again: ``echo_phantom_strain.py``.

The heart is the same; noise and its place in the sector differ, and every other loop is shown mirrored. So
the spread is that of the method with its network, and the mean error is what the network draws differently.
"""

from __future__ import annotations

import sys

import numpy as np

from cvai.domain.anatomy import Structure
from cvai.domain.beats import area_curve
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.sector import sector_of_loop
from cvai.domain.echo.strain import Layer, LoopStrain, loop_strain
from cvai.domain.echo.views import EchoView
from cvai.models.echo import EchoSegmenter
from cvai.models.folders import model_folder
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import VIEWS, EchoPhantom, make_echo_phantom
from cvai.phantom.parameters import PhantomHeart

N_LOOPS = 6


def seen(phantom: EchoPhantom, view: EchoView, segmenter: EchoSegmenter, *, mirrored: bool) -> LoopStrain:
    """Strain of one loop by the labels of the model."""
    acquisition = phantom.truth.acquisition
    spacing_mm = (acquisition.spacing_y_mm, acquisition.spacing_x_mm)
    frames = phantom.frames[view][:, :, ::-1] if mirrored else phantom.frames[view]
    frames = np.ascontiguousarray(frames)
    segmentation = segmenter.segment(EchoLoop(frames, sector_of_loop(frames), spacing_mm, None, None))
    curve = area_curve(segmentation.area_curve_px(Structure.LV_CAVITY))
    return loop_strain(segmentation.labels, spacing_mm, curve, curve.beats or (curve.extremes,))


def main() -> int:
    segmenter = EchoSegmenter.load(model_folder("echo"))
    heart = PhantomHeart.drawn(1, 55.0)
    errors: dict[tuple[EchoView, Layer], list[float]] = {(v, layer): [] for v in VIEWS for layer in Layer}
    for seed in range(N_LOOPS):
        phantom = make_echo_phantom(heart, LoopAcquisition(n_frames=26, seed=seed))
        for view in VIEWS:
            strain = seen(phantom, view, segmenter, mirrored=seed % 2 == 1)
            if strain.withheld is not None:
                print(f"seed {seed}, {view}: the loop {strain.withheld}")
                continue
            for layer in Layer:
                true = min(phantom.truth.strain_percent[f"{layer}_{view}"])
                errors[view, layer].append(strain.peak_percent(layer) - true)
    print("| view | layer | loops | mean error | SD |\n| --- | --- | ---: | ---: | ---: |")
    for (view, layer), of in errors.items():
        if of:
            print(f"| {view} | {layer} | {len(of)} | {np.mean(of):+.1f} | {np.std(of):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
