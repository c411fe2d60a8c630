"""Original DICOM with manual contours of the left ventricle, as the Sunnybrook cardiac data come."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.header.attributes import number
from cvai.dicom.read.header.text import stated_text
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.subject import subject_of
from cvai.dicom.read.values import AssembledCine
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.errors import ConfigurationInvalid
from cvai.training.datasets.data import NO_GROUP, LabelledVolume, age_band
from cvai.training.datasets.port import Source

SUNNYBROOK = Source(
    title="Sunnybrook Cardiac Data, contours of the left ventricle",
    citation=(
        "P. Radau, Y. Lu, K. Connelly, G. Paul, A. J. Dick, G. A. Wright. Evaluation Framework for "
        "Algorithms Segmenting Short Axis Cardiac MRI. The MIDAS Journal, 2009, hdl 10380/3070"
    ),
    license="CC0-1.0",
)

CONTOUR_ORIGIN = 1.0
"""The contours were drawn in Matlab: the centre of the first pixel is at (1, 1)."""

_CONTOUR_FILE = re.compile(r"IM-\d+-(\d+)-([io])contour-manual\.txt")
_INSIDE, _OUTSIDE = "i", "o"
_DRAWN = (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM)

Mask = NDArray[np.bool_]
Place = tuple[int, int]
"""(t, z) of a frame in the cine."""


@dataclass(frozen=True, slots=True)
class SunnybrookFolder:
    """``SCD…/dicom/N.dcm`` and ``SCD…/contours/{i,o}-contours``, where N is the number in a contour's name.

    The cavity is drawn at end-diastole and end-systole, the outside of the wall at end-diastole alone, the
    right ventricle never. Which of the two contoured phases is which, the volumes say.
    """

    folder: Path

    @property
    def source(self) -> Source:
        """The challenge and its licence."""
        return SUNNYBROOK

    def volumes(self, patient: str) -> tuple[LabelledVolume, ...]:
        """End-diastole and end-systole, with the slices in which each structure was drawn."""
        case = self.folder / patient
        cine = _read_cine(case)
        inside, outside = (_contours(case, kind, cine) for kind in (_INSIDE, _OUTSIDE))
        ed, es = _contoured_phases(patient, inside)
        return tuple(
            _Contoured(patient, name, t, cine, inside, outside).volume for name, t in (("ED", ed), ("ES", es))
        )


def _read_cine(case: Path) -> AssembledCine:
    folder = case / "dicom"
    if not folder.is_dir():
        raise ConfigurationInvalid(
            "data_missing",
            f"{case.name} has no folder dicom.",
            "Point CVAI_DATA at the folder that holds the Sunnybrook cases (see data/README.md).",
        )
    (study,) = read_studies(folder).studies
    return assemble_cine(select_sax_cine(study))


def _contours(case: Path, kind: str, cine: AssembledCine) -> dict[Place, Mask]:
    """(y, x) masks of all pixels whose centre lies inside a contour, by the frame it was drawn on."""
    places = {plane.path.stem: (t, z) for t, phase in enumerate(cine.planes) for z, plane in enumerate(phase)}
    shape = cine.stack.shape[2:]
    masks = {}
    for path in sorted((case / "contours" / f"{kind}-contours").glob("*.txt")):
        named = _CONTOUR_FILE.fullmatch(path.name)
        place = None if named is None else places.get(str(int(named[1])))
        if place is None:
            raise ConfigurationInvalid("contour_without_image", f"{case.name}: {path.name} is of no frame.")
        points_xy = np.loadtxt(path) - CONTOUR_ORIGIN
        masks[place] = np.asarray(polygon2mask(shape, points_xy[:, ::-1]), dtype=np.bool_)
    return masks


def _contoured_phases(patient: str, inside: Mapping[Place, Mask]) -> tuple[int, int]:
    """Indices of end-diastole and end-systole: the larger and the smaller of the two contoured phases."""
    pixels: dict[int, int] = {}
    for (t, _), mask in inside.items():
        pixels[t] = pixels.get(t, 0) + int(np.count_nonzero(mask))
    if len(pixels) != 2:
        raise ConfigurationInvalid(
            "contours_not_two_phases", f"{patient} is contoured in {len(pixels)} phases, not in two."
        )
    larger, smaller = sorted(pixels, key=lambda t: pixels[t], reverse=True)
    return larger, smaller


def _stated(cine: AssembledCine) -> dict[str, str]:
    """Who was examined and on what, as far as the headers state it."""
    header, subject = cine.planes[0][0].header, subject_of(cine)
    field_t = number(header, "MagneticFieldStrength")
    found = {
        "sex": subject.sex,
        "age": None if subject.age_years is None else age_band(subject.age_years),
        "vendor": stated_text(header, "Manufacturer") or None,
        "field strength": None if field_t is None else f"{field_t:g} T",
    }
    return {fact: value for fact, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Contoured:
    """Phase ``t`` of a cine with the contours of all phases."""

    patient: str
    phase: str
    t: int
    cine: AssembledCine
    inside: Mapping[Place, Mask]
    outside: Mapping[Place, Mask]

    @property
    def volume(self) -> LabelledVolume:
        """The drawn labels; the wall is known where both of its borders are."""
        image = self.cine.stack.phase(self.t)
        labels = np.zeros(image.shape, dtype=np.uint8)
        drawn = {structure: np.zeros(len(image), dtype=np.bool_) for structure in _DRAWN}
        for z in range(len(image)):
            place = (self.t, z)
            if place in self.inside and place in self.outside:
                labels[z][self.outside[place]] = SAX_LABELS[Structure.LV_MYOCARDIUM]
                drawn[Structure.LV_MYOCARDIUM][z] = True
            if place in self.inside:
                labels[z][self.inside[place]] = SAX_LABELS[Structure.LV_CAVITY]
                drawn[Structure.LV_CAVITY][z] = True
        known = {structure: slices for structure, slices in drawn.items() if slices.any()}
        return LabelledVolume(
            self.patient,
            NO_GROUP,
            self.phase,
            image,
            labels,
            self._spacing_mm,
            drawn=known,
            stated=_stated(self.cine),
        )

    @property
    def _spacing_mm(self) -> tuple[float, float, float]:
        geometry = self.cine.stack.geometry
        return geometry.slice_spacing_mm, geometry.spacing_y_mm, geometry.spacing_x_mm
