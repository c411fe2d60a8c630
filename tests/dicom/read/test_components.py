"""Anatomy is in magnitude images; phase, real and imaginary images are known wherever a header names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.pixels.components import component_of
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import Component
from cvai.errors import FileRefused
from tests.dicom.read.assembling import SPEC, assemble, expected_pixels, refusal_of
from tests.dicom.read.dicom_files import add_pixels, edited, enhanced, images, pixels_of


@pytest.mark.parametrize(
    ("image_type", "component"),
    [
        (["ORIGINAL", "PRIMARY", "M", "ND", "NORM"], Component.MAGNITUDE),
        (["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"], Component.MAGNITUDE),
        (["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"], Component.PHASE),
        (["ORIGINAL", "PRIMARY", "R_FFE", "R", "FFE"], Component.REAL),
        (["ORIGINAL", "PRIMARY", "I_FFE", "I", "FFE"], Component.IMAGINARY),
        (["DERIVED", "PRIMARY", "P", "VELOCITY"], Component.PHASE),
        (["ORIGINAL", "PRIMARY", "OTHER"], None),
    ],
)
def test_the_image_type_names_the_component(image_type: list[str], component: Component | None) -> None:
    header = Dataset()
    header.ImageType = image_type
    assert component_of(header, header) is component


@pytest.mark.parametrize("value", [1, b"\x01\x00"])
def test_ge_tells_a_phase_image_in_a_private_element_alone(value: object) -> None:
    header = Dataset()
    header.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
    block = header.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x2F, "SS" if isinstance(value, int) else "UN", value)
    assert component_of(header, header) is Component.PHASE


@pytest.mark.slow
def test_a_series_of_all_components_gives_its_magnitude_images(tmp_path: Path) -> None:
    datasets = []
    for number, letter in enumerate("RIPM"):
        name = {"P": "PHASE MAP"}.get(letter, f"{letter}_FFE")
        group = images(SPEC.but(attributes={"ImageType": ["ORIGINAL", "PRIMARY", name, letter, "FFE"]}))
        edited(group, lambda ds, n=number: setattr(ds, "SOPInstanceUID", f"{ds.SOPInstanceUID}.{n}"))
        datasets += group
    cine = assemble(tmp_path, datasets)
    assert all(p.sop_instance_uid.endswith(".3") for phase in cine.planes for p in phase)


def test_frames_of_an_enhanced_instance_tell_their_component_each(tmp_path: Path) -> None:
    instance = enhanced(SPEC)
    instance.ComplexImageComponent = "MIXED"
    magnitude = list(instance.PerFrameFunctionalGroupsSequence)
    both = []
    for item in magnitude:
        for component in ("MAGNITUDE", "PHASE"):
            copy = Dataset()
            copy.update(item)
            frame_type = Dataset()
            frame_type.ComplexImageComponent = component
            copy.MRImageFrameTypeSequence = [frame_type]
            both.append(copy)
    instance.PerFrameFunctionalGroupsSequence = both
    instance.NumberOfFrames = len(both)
    order = [(z, t) for t in range(SPEC.n_phases) for z in range(SPEC.n_slices)]
    add_pixels(instance, np.repeat(np.stack([pixels_of(SPEC, z, t) for z, t in order]), 2, axis=0))
    cine = assemble(tmp_path, [instance])
    offsets = np.arange(7, dtype=np.float32)[:, np.newaxis, np.newaxis]
    np.testing.assert_array_equal(cine.stack.pixels, 2 * expected_pixels(SPEC) - offsets)
    assert {p.component for phase in cine.planes for p in phase} == {Component.MAGNITUDE}


def with_second_echo(echo_times_ms: tuple[float | None, float | None]) -> Dataset:
    """The cine as one instance of two echoes, one after the other; the second with other pixels."""
    instance = enhanced(SPEC)
    del instance.EchoTime
    described = list(instance.PerFrameFunctionalGroupsSequence)
    order = [(z, t) for t in range(SPEC.n_phases) for z in range(SPEC.n_slices)]
    one = np.stack([pixels_of(SPEC, z, t) for z, t in order])
    both = []
    for echo_time_ms in echo_times_ms:
        for item in described:
            frame, echo = Dataset(), Dataset()
            frame.update(item)
            if echo_time_ms is not None:
                echo.EffectiveEchoTime = echo_time_ms
            frame.MREchoSequence = [echo]
            both.append(frame)
    instance.PerFrameFunctionalGroupsSequence, instance.NumberOfFrames = both, len(both)
    add_pixels(instance, np.concatenate([one, one + 1]))
    return instance


@pytest.mark.parametrize(("echo_times_ms", "first"), [((1.6, 4.0), 0), ((4.0, 1.6), 1)])
def test_of_several_echoes_in_one_instance_the_first_is_measured(
    tmp_path: Path, echo_times_ms: tuple[float, float], first: int
) -> None:
    cine = assemble(tmp_path, [with_second_echo(echo_times_ms)])
    np.testing.assert_array_equal(cine.stack.stored, expected_pixels(SPEC) + first)
    assert [f.code for f in cine.findings] == ["other_cine_stack"]
    assert "later echo" in cine.excluded[0].reason


def test_echoes_that_no_header_tells_apart_are_refused(tmp_path: Path) -> None:
    refusal = refusal_of(lambda: assemble(tmp_path, [with_second_echo((None, None))]))
    assert refusal.code == "duplicate_frame"


@pytest.mark.parametrize("with_indices", [False, True])
def test_phases_of_an_enhanced_instance_without_times_follow_its_indices_or_frames(
    tmp_path: Path, with_indices: bool
) -> None:
    instance = enhanced(SPEC)
    for frame, item in enumerate(instance.PerFrameFunctionalGroupsSequence):
        t, z = divmod(frame, SPEC.n_slices)
        del item.CardiacSynchronizationSequence
        content = Dataset()
        if with_indices:
            content.DimensionIndexValues = [z + 1, t + 1]
        item.FrameContentSequence = [content]
    cine = assemble(tmp_path, [instance])
    assert [[p.frame_number for p in phase] for phase in cine.planes] == [
        [t * 7 + z + 1 for z in range(7)] for t in range(9)
    ]
    assert [f.code for f in cine.findings] == ["times_unknown"]


def test_an_enhanced_instance_that_describes_no_frames_is_refused_by_name(tmp_path: Path) -> None:
    instance = enhanced(SPEC)
    del instance.PerFrameFunctionalGroupsSequence
    refusal = refusal_of(lambda: assemble(tmp_path, [instance]))
    assert isinstance(refusal, FileRefused)
    assert "describes 0 frames" in refusal.message


@pytest.mark.slow
def test_a_phase_series_is_passed_over_as_such(tmp_path: Path) -> None:
    phase = images(SPEC.but(series_uid=f"{SPEC.series_uid}.9", series_number=9))
    for ds in phase:
        ds.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", 1)
    assemble(tmp_path, [*images(SPEC), *phase])
    (study,) = read_studies(tmp_path).studies
    assert [p.reason for p in select_sax_cine(study).excluded] == [
        "phase, velocity, phase-sensitive or colour images, no magnitudes"
    ]
