"""What cvai made of one input, and the words in which a case says what is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
import pydicom

EF_POINTS = 2.0
"""What a case measures is compared with the honest source in the same run. Of the same pixels the numbers are
equal; two points leave room for resampled ones, less than half of what readers differ by (SD 4.5 to 7.5)."""

EDV_SHARE = 0.03

ABOUT_TIME = re.compile(r"^(heart_rate.*|times_.*|fewer_phases_than_stated|less_than_a_beat)$")
"""Codes of findings that doubt no volume."""


@dataclass(frozen=True)
class Seen:
    """How cvai ended, and with what.

    Args:
        status: analysed, labelled, refused, or failed.
        code: of the refusal.
        text: the refusal's sentence, or what failed.
        numbers: measurements by name.
        series_uid: of what was measured.
        findings: severity and sentence by code.
        excluded: reason by SeriesInstanceUID.
        source: folder of the input.
        results: folder of what was written.
    """

    status: str
    code: str = ""
    text: str = ""
    numbers: dict[str, float] = field(default_factory=dict)
    series_uid: str = ""
    findings: dict[str, tuple[str, str]] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)
    source: Path = Path()
    results: Path = Path()

    def __str__(self) -> str:
        known = [
            f"{name} {self.numbers[key]:.1f}"
            for name, key in (("EF", "lv_ef"), ("EDV", "lv_edv"))
            if key in self.numbers
        ]
        return " ".join([self.status, *known, self.code, *self.findings]).replace("  ", " ").strip()


Honest = Callable[[str], Seen]
"""What cvai makes of a source as it is, by the source's name."""

Judge = Callable[[Seen, Honest], str]
"""What is wrong, in a few words; nothing where all is right."""


def measures(source: str, ef_points: float = EF_POINTS, edv_share: float = EDV_SHARE) -> Judge:
    """The same heart as the honest source."""

    def judge(seen: Seen, honest: Honest) -> str:
        if seen.status != "analysed":
            return f"{seen.status}, not measured"
        return _differences(seen, honest(source), ef_points, edv_share)

    return judge


def _differences(seen: Seen, right: Seen, ef_points: float, edv_share: float) -> str:
    wrong = [f"{name} is missing" for name in ("lv_ef", "lv_edv") if name not in seen.numbers]
    if wrong:
        return ", ".join(wrong)
    ef, edv = (seen.numbers[name] for name in ("lv_ef", "lv_edv"))
    right_ef, right_edv = (right.numbers[name] for name in ("lv_ef", "lv_edv"))
    if abs(ef - right_ef) > ef_points:
        wrong.append(f"EF {ef:.1f} instead of {right_ef:.1f} %")
    if abs(edv / right_edv - 1) > edv_share:
        wrong.append(f"EDV {edv:.0f} instead of {right_edv:.0f} mL")
    return ", ".join(wrong)


def of_series_of(source: str) -> Judge:
    """Measured in the series of the honest source."""
    return lambda seen, honest: (
        "" if seen.series_uid == honest(source).series_uid else "another series was measured"
    )


def refused(about: str = ".", but_not: str = r"^\b$") -> Judge:
    """Refused, with a code and a sentence that say so.

    Args:
        about: what code and sentence have to speak of, a regular expression.
        but_not: what they must not say.
    """

    def judge(seen: Seen, _: Honest) -> str:
        if seen.status != "refused":
            return f"{seen.status}, not refused"
        refusal = f"{seen.code} {seen.text}"
        if (
            not seen.code
            or not re.search(about, refusal, re.IGNORECASE)
            or re.search(but_not, refusal, re.IGNORECASE)
        ):
            return f"the refusal does not name the cause: {seen.text}"
        return ""

    return judge


def marked(source: str, severities: tuple[str, ...] = ("warning", "withheld"), about: str = ".") -> Judge:
    """Measured, with a finding that the honest source does not have and that doubts more than times."""

    def judge(seen: Seen, honest: Honest) -> str:
        if seen.status != "analysed":
            return f"{seen.status}, not measured"
        new = {
            code: sentence
            for code, (severity, sentence) in seen.findings.items()
            if severity in severities and code not in honest(source).findings and not ABOUT_TIME.search(code)
        }
        named = any(re.search(about, f"{code} {sentence}", re.IGNORECASE) for code, sentence in new.items())
        return "" if named else "no finding says so"

    return judge


def noted(source: str, about: str = ".") -> Judge:
    """The same, however severe."""
    return marked(source, ("info", "warning", "withheld"), about)


def gives_no_numbers(seen: Seen, _: Honest) -> str:
    """Neither volumes nor fractions."""
    given = [name for name in seen.numbers if name.startswith(("lv_", "rv_"))]
    return f"{', '.join(given[:3])} are given" if given else ""


def of_one_patient(seen: Seen, _: Honest) -> str:
    """Every image that the report refers to is of one PatientID."""
    images = [pydicom.dcmread(f, stop_before_pixels=True) for f in sorted(seen.source.rglob("*.dcm"))]
    patient = {str(ds.SOPInstanceUID): str(ds.PatientID) for ds in images}
    report = next(seen.results.rglob("sr.dcm"), None)
    if report is None:
        return "no report says what was measured"
    referred = {
        str(element.value)
        for element in pydicom.dcmread(report).iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }
    patients = {patient[uid] for uid in referred & patient.keys()}
    return "" if len(patients) == 1 else f"measured in images of {len(patients)} patients"


def passes_over_all_others(seen: Seen, _: Honest) -> str:
    """Every series but the one measured has a reason."""
    series = {
        str(pydicom.dcmread(f, specific_tags=["SeriesInstanceUID"]).SeriesInstanceUID)
        for f in sorted(seen.source.rglob("*.dcm"))
    }
    silent = series - {seen.series_uid} - {uid for uid, reason in seen.excluded.items() if reason}
    return f"{len(silent)} of {len(series)} series have no reason" if silent else ""


def labelled_as(source: str, least_dice: float) -> Judge:
    """Labels on the same grid that agree with those of the plain image."""

    def judge(seen: Seen, honest: Honest) -> str:
        if seen.status != "labelled":
            return f"{seen.status}, not labelled"
        ours, right = (
            np.asarray(nibabel.load(next(s.results.glob("labels.nii.gz"))).dataobj)
            for s in (seen, honest(source))
        )
        if ours.shape != right.shape or not right.any():
            return f"labels of {ours.shape} instead of {right.shape}"
        both = np.count_nonzero((ours == right) & (right > 0))
        dice = 2 * both / (np.count_nonzero(ours) + np.count_nonzero(right))
        return "" if dice >= least_dice else f"labels differ from the plain image's: Dice {dice:.3f}"

    return judge


def is_labelled(seen: Seen, _: Honest) -> str:
    """Labelled at all."""
    return "" if seen.status == "labelled" else f"{seen.status}, not labelled"


def either(*judges: Judge) -> Judge:
    """One of several ways to be right."""

    def judge(seen: Seen, honest: Honest) -> str:
        wrong = [one(seen, honest) for one in judges]
        return "" if "" in wrong else wrong[0]

    return judge


def both(*judges: Judge) -> Judge:
    """Right in every way."""

    def judge(seen: Seen, honest: Honest) -> str:
        return "; ".join(wrong for one in judges if (wrong := one(seen, honest)))

    return judge


def verdict(judge: Judge, seen: Seen, honest: Honest) -> str:
    """What is wrong; a failure, and numbers that no heart has, always are."""
    if seen.status == "failed":
        return f"failed: {seen.text}"
    impossible = [
        f"{name} {value:.1f}"
        for name, value in seen.numbers.items()
        if re.fullmatch(r"[lr]v_(edv|esv|sv|ef|co|mass)", name)
        and not 0 <= value <= (100 if name.endswith("ef") else 1e4)
    ]
    return f"impossible: {', '.join(impossible)}" if impossible else judge(seen, honest)
