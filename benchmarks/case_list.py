"""Every script of CVAI_CASES with its variants, and what its docstring calls right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.case_seen import (
    Judge,
    both,
    either,
    gives_no_numbers,
    is_labelled,
    labelled_as,
    marked,
    measures,
    noted,
    of_one_patient,
    of_series_of,
    passes_over_all_others,
    refused,
)

REST, STRESS, LOOPS, PEAK = "rest", "stress", "loops", "peak"

SOURCES = {
    REST: "--ef 55 --seed 3 --phases 12",
    STRESS: "--ef 72 --seed 3 --phases 12",
    LOOPS: "--modality us --ef 55 --seed 2",
    PEAK: "--modality us --ef 72 --seed 2",
}
"""Options of ``cvai phantom`` that make what the scripts start from."""


class How(StrEnum):
    """What is done with what a script writes."""

    ANALYZE = "cvai analyze"
    SEGMENT = "cvai segment"
    SERVE = "cvai serve, watching a folder"
    SERVE_DICOMWEB = "cvai serve, beside the script, which is the archive"


@dataclass(frozen=True)
class Case:
    """One input and what is right.

    Args:
        script: its name without ending.
        arguments: its arguments, where {rest} and the like are folders of sources, {out} is what it writes.
        judge: tells what is wrong.
        how: what is done with it.
        variant: its part of the case's name; else the arguments that are no folders.
    """

    script: str
    arguments: str
    judge: Judge
    how: How = How.ANALYZE
    variant: str | None = None

    @property
    def name(self) -> str:
        """Script and variant."""
        words = [word for word in self.arguments.split() if not word.startswith("{")]
        return " ".join([self.script, *(words if self.variant is None else self.variant.split())])


OWN = frozenset({"study_of_300_series"})
"""Scripts that lie here, not in CVAI_CASES."""

MANNERS = (
    "", "limit200", "no-offset", "null-count", "float-count", "lost-answer", "no-chunks", "no-star", "sparse",
    "quirks", "limit200,sparse,no-star,no-chunks",
)  # fmt: skip


def cases() -> tuple[Case, ...]:
    """All of them, by name of the script."""
    return tuple(sorted((*_mr(), *_ultrasound(), *_nifti(), *_archives()), key=lambda case: case.script))


def _mr() -> Iterator[Case]:
    as_rest = measures(REST)
    yield Case("annotated_copy_of_the_cine", "{rest} {out}", both(as_rest, of_series_of(REST)))
    yield Case("annotated_copy_of_the_cine", "{rest} {out} private-phase", both(as_rest, of_series_of(REST)))
    # Two slices of ten are resampled and, at 5 degrees, lie up to 4 mm aside at the rim of the heart.
    replanned = either(measures(REST, ef_points=3.0, edv_share=0.04), refused(), marked(REST))
    for degrees in ("0.5", "1", "2", "5"):
        yield Case("basal_slices_replanned", f"{{rest}} {{out}} {degrees}", replanned)
        yield Case("basal_slices_replanned", f"{{rest}} {{out}} {degrees} 2 own-series", replanned)
    yield Case("basal_slices_replanned", "{rest} {out} 1 4", replanned)
    for kind in ("mixed", "untimed"):
        yield Case("enhanced_variants", f"{{rest}} {{out}} {kind}", as_rest)
    says_so = refused("frame", but_not="no_cine")
    yield Case("enhanced_variants", "{rest} {out} undescribed", says_so)
    yield Case("files_without_preamble", "{rest} {out}", as_rest)
    yield Case("files_without_preamble", "{rest} {out} no-syntax", as_rest)
    yield Case("other_modality_in_the_series", "{rest} {out}", as_rest, variant="MR")
    yield Case("other_modality_in_the_series", "{rest} {out} no-modality", as_rest, variant="MR no-modality")
    # The last phases of three slices are gone: what all slices have is a shorter cine.
    shorter = both(measures(REST, ef_points=3.0), noted(REST))
    yield Case("phases_differ_between_slices", "{rest} {out}", shorter)
    yield Case("philips_all_components", "{rest} {out}", as_rest)
    by_beats = either(as_rest, refused("beat|real.?time", but_not="perfusion"))
    yield Case("real_time_cine", "{rest} {out}", by_beats)
    yield Case("sagittal_4dflow", "{rest} {out}", both(as_rest, of_series_of(REST)))
    in_step = either(as_rest, refused(), marked(REST))
    for phases in (2, 4, 8):
        yield Case("slices_out_of_step", f"{{rest}} {{out}} {phases}", in_step)
        yield Case("slices_out_of_step", f"{{rest}} {{out}} {phases} unseen", in_step)
    for shift_mm in ("0.4", "0.8", "5"):
        yield Case("stack_acquired_again_shifted", f"{{rest}} {{out}} {shift_mm}", as_rest)
    yield Case("stress_slices_in_rest_stack", "{rest} {stress} {out}", as_rest)
    yield Case(
        "stress_whole_stack", "{rest} {stress} {out}", both(either(as_rest, measures(STRESS)), noted(REST))
    )
    yield Case("two_patients_one_study", "{rest} {out}", either(refused(), of_one_patient), variant="MR")
    found = both(as_rest, of_series_of(REST), passes_over_all_others)
    yield Case("study_of_300_series", "{rest} {stress} {out}", found)


def _ultrasound() -> Iterator[Case]:
    as_loops = measures(LOOPS)
    judges = {
        "seconds": either(refused(), gives_no_numbers, both(as_loops, noted(LOOPS))),
        "untimed": as_loops,
        "vector": as_loops,
        "retired": as_loops,
        "ybr422": as_loops,
        "ybr422-full": either(as_loops, refused(but_not="doppler")),
    }
    for kind, judge in judges.items():
        yield Case("echo_variants", f"{{loops}} {{out}} {kind}", judge)
    yield Case("echo_variants", "{loops} {out} retired", as_loops, How.SERVE, "retired serve")
    one_stage = both(either(as_loops, measures(PEAK)), noted(LOOPS, about="stage"))
    yield Case("echo_variants", "{loops} {out} peak {peak}", one_stage)
    yield Case("other_modality_in_the_series", "{loops} {out}", as_loops, variant="US")
    yield Case(
        "other_modality_in_the_series", "{loops} {out} no-modality", as_loops, variant="US no-modality"
    )
    yield Case("two_patients_one_study", "{loops} {out}", either(refused(), of_one_patient), variant="US")


def _nifti() -> Iterator[Case]:
    judges = {
        "plain": is_labelled,
        "micron": labelled_as("nifti", 0.99),
        "metre": labelled_as("nifti", 0.99),
        # The darkest 1 % decide the contrast, and the background is some of them.
        "nan": labelled_as("nifti", 0.97),
        "rgb": refused("rgb|grey"),
        "slices-first": refused("slice|axis"),
    }
    for kind, judge in judges.items():
        yield Case("nifti_variants", f"{{rest}} {{out}} {kind}", judge, How.SEGMENT)


def _archives() -> Iterator[Case]:
    for manner in MANNERS:
        judge = measures(REST)
        if manner in ("null-count", "float-count"):
            judge = either(judge, refused("put aside"))
        yield Case("dicomweb_manners", f"{{rest}} {manner}", judge, How.SERVE_DICOMWEB, manner or "none")
