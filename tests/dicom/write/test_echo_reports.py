"""Reports for echo systems (TID 5200, 5300): valid, read back with the same numbers, signed by default."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.uid import ComprehensiveSRStorage, SimplifiedAdultEchoSRStorage

from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.reports.documents import Reports, reports_of
from cvai.dicom.write.objects.sr import Supersedes
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.reported import methods_of
from cvai.dicom.write.standing.predecessors import superseded_documents
from cvai.domain.reported import Method
from cvai.domain.subject import Subject
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import CREATED, context_of, write_results
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_verified import SIGNED

KINDS = (Extra.ECHO_REPORT, Extra.SIMPLE_ECHO_REPORT)
UNSIGNED = (*KINDS, Extra.UNSIGNED_ECHO_REPORTS)
ONE_VIEW, BOTH_VIEWS = 1, 2

READ_OF_5200 = {
    *("lv_edv", "lv_esv", "lv_ef", "lv_sv", "lv_sv_index", "lv_co", "lv_co_index", "heart_rate"),
    *("la_max", "la_max_area_length", "lv_gls_endo", "lv_gls_endo_a4c", "lv_gls_endo_a2c", "bsa"),
}
READ_OF_5300 = {
    *("lv_edv", "lv_edv_index", "lv_esv", "lv_esv_index", "lv_ef", "lv_sv", "lv_sv_index"),
    *("la_max", "la_max_index", "la_max_area_length", "la_max_area_length_index"),
    *("lv_gls_endo", "lv_gls_endo_a4c", "lv_gls_endo_a2c"),
}


def made(folder: Path, n_loops: int, **changes: object) -> EchoAnalysis:
    """An analysis of a known person, and its results beside its loops."""
    analysis = echo_analysis(folder, n_loops=n_loops, subject=Subject("M", 60, 1.8, 80.0))
    return replace(analysis, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[BOTH_VIEWS, ONE_VIEW])
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EchoAnalysis, Path]:
    folder = tmp_path_factory.mktemp("echo")
    analysis = made(folder / "study", request.param)
    write_results(analysis, folder / "out", created=CREATED, extras=UNSIGNED)
    return analysis, folder


def as_of_another(folder: Path, document: Path) -> Reports:
    """What is read of a report of the same content that an echo machine has written."""
    machine = dcmread(document)
    machine.Manufacturer, machine.ManufacturerModelName = "Echo Works", "Model 95"
    copy = folder / "study" / "report.dcm"
    machine.save_as(copy)
    (study,) = read_studies(folder / "study").studies
    copy.unlink()
    return reports_of(study)


def items_of(document: Dataset, value_type: str) -> Iterator[Dataset]:
    for item in document.get("ContentSequence", ()):
        if item.ValueType == value_type:
            yield item
        yield from items_of(item, value_type)


def name_of(item: Dataset) -> tuple[str, str]:
    (code,) = item.ConceptNameCodeSequence
    return code.CodingSchemeDesignator, code.CodeValue


@pytest.mark.dciodvfy
def test_both_reports_keep_the_rules_of_their_classes(
    written: tuple[EchoAnalysis, Path], tmp_path: Path, dciodvfy: str
) -> None:
    """dicom3tools does not know Simplified Adult Echo SR: its modules are checked as those of its parent."""
    _, folder = written
    assert complaints(dciodvfy, folder / "out" / "echo_report.dcm") == []
    simple = dcmread(folder / "out" / "simple_echo_report.dcm")
    assert simple.SOPClassUID == SimplifiedAdultEchoSRStorage
    assert len(simple.TimezoneOffsetFromUTC) == 5
    simple.SOPClassUID = simple.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
    simple.save_as(tmp_path / "as_parent.dcm")
    assert complaints(dciodvfy, tmp_path / "as_parent.dcm") == []


@pytest.mark.skipif(shutil.which("dsrdump") is None, reason="dsrdump is not installed (Debian package dcmtk)")
@pytest.mark.parametrize(
    ("kind", "title"), [(KINDS[0], "Comprehensive SR"), (KINDS[1], "Simplified Adult Echo")]
)
def test_dcmtk_finds_no_item_or_relationship_that_the_class_forbids(
    written: tuple[EchoAnalysis, Path], kind: str, title: str
) -> None:
    path = written[1] / "out" / f"{kind}.dcm"
    shown = subprocess.run(["dsrdump", "+U8", path], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith(title)
    assert not [line for line in shown.stderr.splitlines() if line.startswith("E:")]


@pytest.mark.parametrize(("kind", "expected"), [(KINDS[0], READ_OF_5200), (KINDS[1], READ_OF_5300)])
def test_the_reader_of_reports_finds_the_numbers_and_methods_that_were_measured(
    written: tuple[EchoAnalysis, Path], kind: str, expected: set[str]
) -> None:
    analysis, folder = written
    found = as_of_another(folder, folder / "out" / f"{kind}.dcm")
    assert found.left_out == ()
    methods, stated = methods_of(analysis), set()
    for value in (*found.values, *found.body):
        how = methods.get(value.name, Method())
        # An area-length volume is the same quantity by another method.
        by_area = value.method.kind == "area-length"
        name = value.name.replace("la_max", "la_max_area_length") if by_area else value.name
        measurement = analysis.measurement(name)
        assert measurement is not None
        assert (value.value, value.unit) == (pytest.approx(measurement.value, abs=1e-5), measurement.unit)
        assert by_area or value.name == "bsa" or how.may_be(value.method)
        stated.add(name)
    measured = {m.name for m in analysis.measurements}
    if analysis.view == "biplane":
        assert stated == expected & measured == expected
    else:
        assert {"lv_edv", "lv_esv", "lv_ef", "la_max", "lv_gls_endo_a4c"} <= stated <= expected
        assert {v.method.plane for v in found.values if v.name == "lv_ef"} == {"four-chamber"}


def test_a_simplified_report_has_codes_of_the_core_set_alone_where_they_say_everything(
    written: tuple[EchoAnalysis, Path],
) -> None:
    core = {
        (scheme, value)
        for scheme, keywords in cid_concepts[12300].items()
        for keyword in keywords
        for value in concepts[scheme][keyword]
    }
    document = dcmread(written[1] / "out" / "simple_echo_report.dcm")
    containers = {name_of(item)[1]: item for item in items_of(document, "CONTAINER")}
    for number in items_of(containers["125301"], "NUM"):
        assert name_of(number) in core
        (label,) = number.ContentSequence
        assert (label.RelationshipType, name_of(label)) == ("HAS PROPERTIES", ("DCM", "125309"))
    assert ("125302" in containers) == (written[0].view == "biplane")


def test_own_reports_are_not_compared_with_what_was_measured(written: tuple[EchoAnalysis, Path]) -> None:
    _, folder = written
    for kind in KINDS:
        shutil.copy(folder / "out" / f"{kind}.dcm", folder / "study" / f"{kind}.dcm")
    (study,) = read_studies(folder / "study").studies
    assert {d.sop_class_uid for d in study.documents} == {
        ComprehensiveSRStorage,
        SimplifiedAdultEchoSRStorage,
    }
    assert reports_of(study) == Reports()
    for kind in KINDS:
        (folder / "study" / f"{kind}.dcm").unlink()


def test_they_are_written_of_what_a_reader_has_signed_and_say_so(tmp_path: Path) -> None:
    analysis = made(tmp_path / "study", ONE_VIEW)
    unsigned = write_results(analysis, tmp_path / "unsigned", created=CREATED, extras=KINDS)
    assert not {o.kind for o in unsigned} & set(KINDS)
    signed = replace(analysis, verification=SIGNED)
    write_results(signed, tmp_path / "signed", created=CREATED, extras=KINDS)
    for kind in KINDS:
        document = dcmread(tmp_path / "signed" / f"{kind}.dcm")
        (observer,) = document.VerifyingObserverSequence
        assert (document.VerificationFlag, observer.VerifyingObserverName) == ("VERIFIED", SIGNED.name)


def test_a_report_takes_the_place_of_one_of_its_template_and_class(tmp_path: Path) -> None:
    """The contours are a Comprehensive SR too."""
    analysis = made(tmp_path / "study", ONE_VIEW)
    extras = (*UNSIGNED, Extra.CONTOURS)
    write_results(analysis, tmp_path / "study", created=CREATED, extras=extras)
    (study,) = read_studies(tmp_path / "study").studies
    later = replace(analysis, model=replace(analysis.model, sha256="cd" * 32))
    superseded: tuple[Supersedes, ...] = superseded_documents(later, study.documents)
    write_results(later, tmp_path / "later", created=CREATED, extras=extras, supersedes=superseded)
    uids = context_of(analysis).uids
    for kind in ("sr", "sr_contours", *KINDS):
        (former,) = dcmread(tmp_path / "later" / f"{kind}.dcm").PredecessorDocumentsSequence
        (reference,) = former.ReferencedSeriesSequence[0].ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == uids.sop_instance(kind)
