"""Contours of the key frames as planar regions of interest: TID 1410 in a report of TID 1500.

Viewers that draw measurements with coordinates draw these. The document is one of Comprehensive SR beside the
Comprehensive 3D SR of the measurements, whose readers need not know it. OHIF draws one region of a group, and
merges groups of one tracking UID: every line has a group and a tracking UID of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom import sr
from pydicom import Dataset

from cvai.dicom.write import codes
from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.contoured import ContouredImages, KeyOutline
from cvai.dicom.write.instance import ResultContext, new_instance
from cvai.dicom.write.objects.sr import (
    STAND_IN_UID,
    Supersedes,
    add_document_general,
    algorithm,
    disclaimer,
    evaluations_container,
    image_library,
    report_content,
)
from cvai.dicom.write.plan import CONTOURS
from cvai.dicom.write.source import SourceImage


def contour_document(
    context: ResultContext[AnyAnalysed],
    images: Sequence[ContouredImages],
    supersedes: Sequence[Supersedes] = (),
) -> Dataset:
    """Structured report of the contours; coordinates are columns and rows of the source images."""
    plan = context.plan.document(context.analysis)
    outlines = [outline for stack in images for outline in stack.key_outlines()]
    sources = key_sources(images)
    model = algorithm(context)
    document = new_instance(context, CONTOURS)
    add_document_general(document, context, sources, supersedes)
    content = report_content(
        context,
        plan,
        image_library(sources, plan.modality),
        [_group(context, outline, model) for outline in outlines],
        evaluations_container([(codes.COMMENT, disclaimer(context.analysis))]),
    )
    for element in content[0]:
        document.add(element)
    return document


def key_sources(images: Sequence[ContouredImages]) -> list[SourceImage]:
    """Source images of the key frames, each once."""
    planes = (stack.planes[f.t][z] for stack in images for f in stack.key_frames for z in stack.key_slices)
    return list(dict.fromkeys(map(SourceImage.of, planes)))


def _group(
    context: ResultContext[AnyAnalysed], outline: KeyOutline, model: sr.AlgorithmIdentification
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    phase = outline.frame.phase
    evaluations = (
        []
        if phase is None
        else [sr.QualitativeEvaluation(codes.CARDIAC_CYCLE_POINT, codes.PHASE_CODES[phase])]
    )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=context.uids.tracking(f"contour: {outline.name}"), identifier=outline.name
        ),
        referenced_region=_region(outline),
        finding_category=outline.contour.category,
        finding_type=outline.contour.code,
        algorithm_id=model,
        qualitative_evaluations=evaluations,
    )


def _region(outline: KeyOutline) -> sr.ImageRegion:
    source = SourceImage.of(outline.plane)
    image = sr.SourceImageForRegion(
        referenced_sop_class_uid=source.sop_class_uid, referenced_sop_instance_uid=STAND_IN_UID
    )
    image.ReferencedSOPSequence = [source.reference()]
    return sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=outline.outline.astype(np.float32),
        source_image=image,
        pixel_origin_interpretation=None,
    )
