"""What counts as a study's content, and when two contents are the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    EnhancedMRImageStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    MRImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    SimplifiedAdultEchoSRStorage,
    UltrasoundMultiFrameImageStorage,
    XRayRadiationDoseSRStorage,
)

from cvai.archive.content import MOST_REPORTS, InstanceReference, StudyContent
from cvai.dicom.read.classes import MR_IMAGES, ULTRASOUND_IMAGES
from cvai.dicom.write.uids import derived_uid

uids = st.sets(st.from_regex(r"2\.25\.[1-9][0-9]{0,6}", fullmatch=True), min_size=1, max_size=20)
REPORTS = (
    ComprehensiveSRStorage,
    Comprehensive3DSRStorage,
    EnhancedSRStorage,
    SimplifiedAdultEchoSRStorage,
)
SAID_ABOUT_IMAGES = (
    SegmentationStorage,
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation
    BasicTextSRStorage,
    XRayRadiationDoseSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
)


def content(sop_instance_uids: list[str], sop_class_uid: str = MRImageStorage) -> StudyContent:
    instances = (InstanceReference(sop_class_uid, uid, "1.2") for uid in sop_instance_uids)
    return StudyContent("1.2.3", tuple(instances))


@given(uids=uids, order=st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_the_order_of_the_list(uids: set[str], order: st.DataObject) -> None:
    listed = sorted(uids)
    shuffled = list(listed)
    order.shuffle(shuffled)
    assert content(listed).digest == content(shuffled).digest


@given(uids=uids, data=st.data())
def test_one_instance_less_is_another_digest(uids: set[str], data: st.DataObject) -> None:
    left_out = data.draw(st.sampled_from(sorted(uids)))
    assert content(sorted(uids)).digest != content(sorted(uids - {left_out})).digest


@given(uids=uids, said=st.lists(st.sampled_from(SAID_ABOUT_IMAGES), max_size=5))
def test_what_is_said_about_images_does_not_change_the_digest(uids: set[str], said: list[str]) -> None:
    images = content(sorted(uids))
    documents = tuple(InstanceReference(c, f"2.26.{n}", "1.9") for n, c in enumerate(said))
    assert StudyContent("1.2.3", images.instances + documents).digest == images.digest


@given(uids=uids, n_reports=st.integers(1, 20), kinds=st.randoms(use_true_random=False))
def test_a_report_of_others_is_another_content_and_one_of_ours_is_not(
    uids: set[str], n_reports: int, kinds: st.DataObject
) -> None:
    images = content(sorted(uids))
    ours = tuple(InstanceReference(kinds.choice(REPORTS), derived_uid(str(n)), "1.9") for n in range(3))
    theirs = tuple(
        InstanceReference(kinds.choice(REPORTS), f"1.2.840.9.{n}", "1.8") for n in range(n_reports)
    )
    assert StudyContent("1.2.3", images.instances + ours).digest == images.digest
    digests = [
        StudyContent("1.2.3", images.instances + ours + theirs[:n]).digest for n in range(n_reports + 1)
    ]
    assert len(set(digests)) == min(n_reports, MOST_REPORTS) + 1
    now = StudyContent("1.2.3", images.instances + theirs)
    assert all(now.is_as(digest) for digest in digests), "a report ends no job and no signature"
    assert not now.is_as(content([*sorted(uids), "2.26"]).digest)


def test_images_of_every_kind_are_sources() -> None:
    kinds = (
        MRImageStorage,
        EnhancedMRImageStorage,
        SecondaryCaptureImageStorage,
        UltrasoundMultiFrameImageStorage,
    )
    assert all(InstanceReference(kind, "1.2", "1.3").is_source for kind in kinds)


def test_what_the_command_can_measure_is_worth_fetching() -> None:
    """Retired classes included: machines and archives outlive the standard."""
    retired = ("1.2.840.10008.5.1.4.1.1.3", "1.2.840.10008.5.1.4.1.1.6")
    assert set(retired) < ULTRASOUND_IMAGES
    assert all(
        InstanceReference(kind, "1.2", "1.3").can_hold_a_cine for kind in MR_IMAGES | ULTRASOUND_IMAGES
    )
    assert not InstanceReference(SecondaryCaptureImageStorage, "1.2", "1.3").can_hold_a_cine


def test_a_file_that_is_no_dicom_is_a_source_and_is_looked_at() -> None:
    unreadable = InstanceReference("", "ab12", "")
    assert unreadable.is_source
    assert unreadable.can_hold_a_cine


def test_other_content_under_the_same_uids_gives_another_digest() -> None:
    def told(*fingerprints: str) -> StudyContent:
        images = (InstanceReference(MRImageStorage, f"1.2.{n}", "1.3", p) for n, p in enumerate(fingerprints))
        return StudyContent("1", tuple(images))

    first, second, untold = told("a", "b"), told("a", "c"), told("", "")
    assert len({first.digest, second.digest, untold.digest}) == 3
    assert first.is_as(first.digest)
    assert not first.is_as(second.digest)
    assert first.is_as(untold.digest), "a job from before fingerprints were told"
    assert not untold.is_as(first.digest)


def test_a_fingerprint_of_what_was_said_about_images_changes_nothing() -> None:
    image = InstanceReference(MRImageStorage, "1.2", "1.3", "a")
    said = [InstanceReference(SegmentationStorage, "1.4", "1.5", fingerprint) for fingerprint in "ab"]
    first, second = (StudyContent("1", (image, one)).digest for one in said)
    assert first == second
