"""How the ultrasound phantom is imaged: two loops by one transducer."""

from __future__ import annotations

from dataclasses import dataclass

from cvai.phantom.parameters import require


@dataclass(frozen=True, slots=True)
class LoopAcquisition:
    """Two loops of the same heart, apical four-chamber and two-chamber.

    Args:
        n_frames: frames of each loop.
        frame_time_ms: from one frame to the next.
        rows: image height.
        columns: image width.
        spacing_y_mm: distance between rows.
        spacing_x_mm: distance between columns.
        sector_degrees: angle between the outermost beams.
        seed: all else that differs between patients: speckle, gain, place of the heart in the sector.

    Raises:
        ConfigurationInvalid: a value is out of range, or the image is not deep enough for a heart.
    """

    n_frames: int = 32
    frame_time_ms: float = 40.0
    rows: int = 422
    columns: int = 600
    spacing_y_mm: float = 0.4
    spacing_x_mm: float = 0.4
    sector_degrees: float = 75.0
    seed: int = 0

    def __post_init__(self) -> None:
        require("n_frames", self.n_frames, 8, 400, "frames")
        require("frame_time_ms", self.frame_time_ms, 5.0, 120.0, "ms")
        require("rows", self.rows, 64, 1200, "pixels")
        require("columns", self.columns, 64, 1600, "pixels")
        require("spacing_y_mm", self.spacing_y_mm, 0.1, 2.0, "mm")
        require("spacing_x_mm", self.spacing_x_mm, 0.1, 2.0, "mm")
        require("sector_degrees", self.sector_degrees, 60.0, 100.0, "degrees")
        require("seed", self.seed, 0, 2**32 - 1, "")
        require("depth", self.depth_mm, 150.0, 220.0, "mm")

    @property
    def depth_mm(self) -> float:
        """How far below the transducer the sector ends; a margin of black is left below it."""
        return (self.rows - 2 * MARGIN_PX) * self.spacing_y_mm


MARGIN_PX = 6
"""Black rows above and below the sector."""
