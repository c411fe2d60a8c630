"""Whether a study was made without late enhancement or without a cine, so that there is nothing to do.

What may be either, spoiled or in part, is left to the selection, which refuses it with a reason.
"""

from __future__ import annotations

from cvai.dicom.read.cine.image_groups import MIN_PHASES, ImageGroup, image_groups_of
from cvai.dicom.read.cine.images import StudyImages, is_localizer
from cvai.dicom.read.cine.placement import is_placed
from cvai.dicom.read.enhancement.finder import apart_from_scouts, is_over_time, prepared_series
from cvai.dicom.read.enhancement.images import is_inversion_prepared, is_map, is_spin_echo
from cvai.dicom.read.values import ImagePlane, Study
from cvai.dicom.read.whole import all_unreadable


def may_hold_late_enhancement(study: Study) -> bool:
    """Whether images were made as late enhancement is; not where they only run over time, as in perfusion."""
    series = prepared_series(study)
    if not all(is_placed(plane) for one in series for plane in one.planes):
        return True
    stills, scouts = apart_from_scouts(image_groups_of(StudyImages(series, ())))
    return bool(stills) or not all(map(is_over_time, scouts))


def may_hold_cine(study: Study) -> bool:
    """False where all images are late enhancement and what surrounds it: scouts, maps, and spin echoes.

    A study without late enhancement, one with images of any other kind, and one with files that cannot be
    read may hold what is left of a cine.
    """
    planes = [plane for series in study.series if series.modality == "MR" for plane in series.planes]
    if all_unreadable(study) or not all(_is_no_cine(plane) for plane in planes):
        return True
    series = prepared_series(study)
    return not series or any(map(_beats, image_groups_of(StudyImages(series, ()))))


def _is_no_cine(plane: ImagePlane) -> bool:
    return is_localizer(plane) or is_inversion_prepared(plane) or is_spin_echo(plane) or is_map(plane)


def _beats(group: ImageGroup) -> bool:
    """Whether several slices have the phases of a heartbeat; a scout over inversion times has one slice."""
    return group.n_slices > 1 and group.n_phases >= MIN_PHASES
