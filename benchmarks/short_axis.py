"""How contours of the short axis differ from those of the same hearts cut along their long axis.

The first frame of ACDC patients is segmented as it is, and along planes that hold the long axis:

    python -m benchmarks.short_axis --every 7
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from scipy.ndimage import map_coordinates

from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry
from cvai.domain.ventricles.short_axis import CrossSection, cross_section
from cvai.errors import HeartRefused
from cvai.models.sax import SaxSegmenter

PIXEL_MM, SLICE_MM, N_SLICES = 2.0, 6.0, 24
ANGLES_DEG = (0.0, 60.0, 120.0)

Volume = NDArray[np.float32]
Spacing = tuple[float, float, float]


def read(path: Path) -> tuple[Volume, Spacing]:
    """(z, y, x) intensities and their spacing in mm."""
    import nibabel

    image = nibabel.load(path)
    x_mm, y_mm, z_mm = (float(mm) for mm in image.header.get_zooms()[:3])
    return np.transpose(np.asarray(image.dataobj), (2, 1, 0)).astype(np.float32), (z_mm, y_mm, x_mm)


def along_axis(
    volume: Volume, spacing_mm: Spacing, middle_yx: tuple[float, float], angle_deg: float
) -> Volume:
    """Parallel slices that hold the direction across the short-axis ones, turned around it by an angle."""
    angle = np.deg2rad(angle_deg)
    in_plane, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    width_mm = min(volume.shape[1] * spacing_mm[1], volume.shape[2] * spacing_mm[2])
    u_mm = np.arange(-width_mm / 2, width_mm / 2, PIXEL_MM)
    v_mm = np.arange(0.0, (len(volume) - 1) * spacing_mm[0] + 0.1, PIXEL_MM)
    k_mm = (np.arange(N_SLICES) - (N_SLICES - 1) / 2) * SLICE_MM
    k, v, u = np.meshgrid(k_mm, v_mm, u_mm, indexing="ij")
    y = middle_yx[0] + (k * across[0] + u * in_plane[0]) / spacing_mm[1]
    x = middle_yx[1] + (k * across[1] + u * in_plane[1]) / spacing_mm[2]
    return np.asarray(map_coordinates(volume, [v / spacing_mm[0], y, x], order=1), dtype=np.float32)


def seen(segmenter: SaxSegmenter, volume: Volume, spacing_mm: Spacing) -> CrossSection | None:
    """What the contours of a volume look like; None where no heart is found."""
    stack = CineStack(volume[np.newaxis], StackGeometry.unplaced(len(volume), spacing_mm), None, None)
    try:
        return cross_section(segmenter.segment(stack), 0)
    except HeartRefused:
        return None


def middle(path: Path) -> tuple[float, float]:
    """(y, x) middle of the labelled heart."""
    labels, _ = read(path)
    y, x = np.nonzero(labels.any(axis=0))
    return float(y.mean()), float(x.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=7, help="take every n-th patient (default 7)")
    every = parser.parse_args().every
    data = Path(os.environ.get("CVAI_DATA", "../shared/data")) / "acdc"
    segmenter = SaxSegmenter.load(Path("models/sax"))
    found: dict[str, list[CrossSection]] = defaultdict(list)
    for patient in track(sorted(data.glob("patient*"))[::every], description="patients"):
        truth = sorted(patient.glob("*_gt.nii.gz"))[0]
        volume, spacing_mm = read(truth.with_name(truth.name.replace("_gt", "")))
        stacks = {"short axis": [(volume, spacing_mm)]}
        stacks["long axis"] = [
            (along_axis(volume, spacing_mm, middle(truth), angle), (SLICE_MM, PIXEL_MM, PIXEL_MM))
            for angle in ANGLES_DEG
        ]
        for view, cuts in stacks.items():
            found[view] += [s for cut in cuts if (s := seen(segmenter, *cut)) is not None]
    for view, sections in found.items():
        rings = [s.n_rings / s.n_slices for s in sections]
        scores = [s.score for s in sections]
        print(
            f"{view}: {len(sections)} stacks, rings {min(rings):.2f} to {max(rings):.2f}, "
            f"score {min(scores):.2f} to {max(scores):.2f}"
        )


if __name__ == "__main__":
    main()
