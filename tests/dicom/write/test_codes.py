from __future__ import annotations

from itertools import chain

import pytest
from pydicom.sr import _concepts_dict
from pydicom.sr.coding import Code

from cvai.analyses.echo_apical import codes as echo_codes
from cvai.dicom.write import codes, fhir, hl7
from cvai.dicom.write.objects import rejection
from cvai.domain.anatomy import SAX_PAPILLARY_MUSCLES, PapillaryMuscles, Structure
from tests.dicom.write.synthetic import FULLY_KNOWN, make_analysis

NOT_IN_PYDICOM = {"80891009", "272518008", "113014", "C0034375", "en"}
"""Heart, Cardiac Cycle Point and Study have other names there; UMLS and RFC5646 are not in its dictionary."""


def checkable_codes() -> list[Code]:
    modules = (codes, echo_codes, fhir, hl7, rejection)
    constants = {value for module in modules for value in vars(module).values() if isinstance(value, Code)}
    measured = [coding.name for coding in (*codes.MEASUREMENT_CODES.values(), *by_discs())]
    qualifiers = {q for coding in codes.MEASUREMENT_CODES.values() for q in coding.qualifiers}
    tables = [codes.STRUCTURE_CODES, codes.PHASE_CODES, codes.NORMALITY_CODES, codes.WALL_SEGMENT_CODES]
    tables.append(echo_codes.VIEW_CODES)
    every = {*constants, *measured, *chain(*qualifiers), *chain(*(table.values() for table in tables))}
    return sorted((code for code in every if code.value not in NOT_IN_PYDICOM), key=lambda code: code.value)


def by_discs() -> list[codes.MeasurementCoding]:
    """Volumes and ejection fraction by every method of discs."""
    views = ("biplane", *(view.value for view in echo_codes.VIEW_CODES))
    return [echo_codes.echo_coding(view)(name) for view in views for name in ("lv_ef", "lv_edv", "lv_esv")]


@pytest.mark.parametrize("code", checkable_codes(), ids=lambda code: f"{code.scheme_designator}-{code.value}")
def test_a_code_means_in_the_standard_what_it_means_here(code: Code) -> None:
    concepts = _concepts_dict.concepts[code.scheme_designator].values()
    meanings = {meanings[code.value][0].lower() for meanings in concepts if code.value in meanings}
    plain = {meaning.partition(" (")[0] for meaning in meanings}
    assert code.meaning.lower() in meanings | plain


def test_every_method_of_discs_has_codes_of_its_own() -> None:
    said = [coding.name.value for coding in by_discs()]
    assert len(set(said)) == len(said) == 9


def test_every_measurement_of_a_cine_has_a_code_and_a_coded_unit() -> None:
    for measurement in make_analysis(subject=FULLY_KNOWN).measurements:
        assert codes.measurement_coding(measurement.name).name.value
        assert codes.UNITS[measurement.unit].scheme_designator == "UCUM"


def test_no_two_measurements_share_a_code() -> None:
    """Those that share a name are told apart by their modifiers, by method, or by where they were taken."""
    said = [(c.name, c.site, c.method, c.qualifiers) for c in codes.MEASUREMENT_CODES.values()]
    assert len(set(said)) == len(said)


def test_an_index_reads_as_one_in_words() -> None:
    assert codes.measurement_coding("lv_edv_index").meaning == "Left Ventricular ED Volume / BSA"
    assert codes.measurement_coding("lv_edv").meaning == "Left Ventricular ED Volume"
    meanings = [coding.meaning for coding in codes.MEASUREMENT_CODES.values()]
    assert len(set(meanings)) == len(meanings)


def test_volumes_and_mass_say_on_which_side_the_papillary_muscles_are() -> None:
    assert SAX_PAPILLARY_MUSCLES is PapillaryMuscles.CAVITY
    for name, coding in codes.MEASUREMENT_CODES.items():
        quantity = name.removesuffix("_index").partition("_")[2]
        expected = {"edv": codes.WITH_PAPILLARY_MUSCLES, "esv": codes.WITH_PAPILLARY_MUSCLES,
                    "mass": codes.WITHOUT_PAPILLARY_MUSCLES}.get(quantity)  # fmt: skip
        stated = {q for q in coding.qualifiers if q[0] == codes.WITH_PAPILLARY_MUSCLES[0]}
        assert stated == ({expected} if expected else set()), name


def test_a_measurement_without_a_code_is_named() -> None:
    with pytest.raises(ValueError, match="lv_twist has no code"):
        codes.measurement_coding("lv_twist")


def test_every_structure_has_a_code_and_a_colour() -> None:
    assert set(codes.STRUCTURE_CODES) == set(codes.STRUCTURE_RGB) == set(Structure)
