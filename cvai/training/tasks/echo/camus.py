"""CAMUS: apical four- and two-chamber frames at end-diastole and end-systole with reference contours.

Leclerc et al., IEEE Trans Med Imaging 2019;38:2198 (doi:10.1109/TMI.2019.2900516). The frames come resized to
one square size, and stored as NIfTI stores them, with the lateral axis first: they are transposed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.views import EchoView
from cvai.errors import ConfigurationInvalid
from cvai.training.datasets.port import Source

CAMUS = Source(
    title="CAMUS, apical four- and two-chamber views, end-diastolic and end-systolic frames",
    citation=(
        "S. Leclerc, E. Smistad, J. Pedrosa, A. Ostvik, et al. Deep Learning for Segmentation using an Open "
        "Large-Scale Dataset in 2D Echocardiography. IEEE Transactions on Medical Imaging, vol. 38, no. 9, "
        "pp. 2198-2210, Sept. 2019, doi 10.1109/TMI.2019.2900516"
    ),
    license="CC-BY-NC-SA-4.0",
    convention=(
        "as in CAMUS: papillary muscles and trabeculae in the cavity, which ends where the leaflets of the "
        "mitral valve hinge"
    ),
)

CAMUS_LABELS = {1: Structure.LV_CAVITY, 2: Structure.LV_MYOCARDIUM, 3: Structure.LEFT_ATRIUM}
"""Label values in the reference files."""

VIEW_NAMES = {"4CH": EchoView.APICAL_4_CHAMBER, "2CH": EchoView.APICAL_2_CHAMBER}
PHASES = ("ED", "ES")
_PARTS = ("train", "val")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrame:
    """One frame with its reference labels.

    Args:
        patient: id in the data set.
        view: which view it is.
        phase: ``ED`` or ``ES``.
        image: (y, x) brightness, the transducer at the top.
        labels: (y, x) values of ECHO_LABELS.
    """

    patient: str
    view: EchoView
    phase: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.shape != self.labels.shape:
            raise ValueError(f"image {self.image.shape} and labels {self.labels.shape} differ")


def load_camus_patient(root: Path, patient: str) -> tuple[LabelledFrame, ...]:
    """The four frames of one patient: both views at both phases.

    Args:
        root: folder that holds ``train`` and ``val``.
        patient: such as ``patient0001``.

    Raises:
        ConfigurationInvalid: the patient is not there.
    """
    folder = next((root / part / patient for part in _PARTS if (root / part / patient).is_dir()), None)
    if folder is None:
        raise ConfigurationInvalid(
            "data_missing",
            f"{root.name} holds no {patient}.",
            "Point CVAI_DATA at the folder that holds CAMUS (see data/README.md).",
        )
    return tuple(
        LabelledFrame(
            patient,
            view,
            phase,
            _upright(folder / f"{patient}_{name}_{phase}.png"),
            _to_echo_labels(_upright(folder / f"{patient}_{name}_{phase}_gt.png")),
        )
        for name, view in VIEW_NAMES.items()
        for phase in PHASES
    )


def _upright(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).T)


def _to_echo_labels(camus: NDArray[np.uint8]) -> NDArray[np.uint8]:
    lookup = np.zeros(256, dtype=np.uint8)
    for value, structure in CAMUS_LABELS.items():
        lookup[value] = ECHO_LABELS[structure]
    return lookup[camus]
