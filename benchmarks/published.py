"""Numbers in the documents, from the records that they come from.

``python -m benchmarks.published [--check]``

A document marks a number as ``<!-- numbers: NAME -->...<!-- end -->``, in a line or around lines. What lies
between is written anew from models/*/evaluation.json, models/*/card.toml and benchmarks/results.json. With
``--check`` nothing is written, and the exit status is 1 where a document differs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.capacity import Study, table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
MARKED = re.compile(r"(?s)(<!-- numbers: (?P<name>[\w.]+) -->)(?P<text>.*?)(<!-- end -->)")
PATTERNS = ("*.md", "docs/**/*.md", "models/*/MODEL_CARD.md")

STRUCTURES = {"lv_cavity": "LV cavity", "lv_myocardium": "LV myocardium", "rv_cavity": "RV cavity"}
ECHO_STRUCTURES = {"lv_cavity": "LV cavity", "lv_myocardium": "LV myocardium", "left_atrium": "left atrium"}
EF_METHODS = {"biplane": "biplane", "a4c": "four-chamber view alone", "a2c": "two-chamber view alone"}
QUANTITIES = {
    "lv_edv": "LV EDV, mL",
    "lv_esv": "LV ESV, mL",
    "lv_ef": "LVEF, points",
    "lv_mass": "LV mass, g",
    "rv_edv": "RV EDV, mL",
    "rv_esv": "RV ESV, mL",
    "rv_ef": "RVEF, points",
}


@cache
def evaluation(model: str) -> Any:
    return json.loads((ROOT / "models" / model / "evaluation.json").read_text(encoding="utf-8"))


@cache
def card(model: str) -> Any:
    return tomllib.loads((ROOT / "models" / model / "card.toml").read_text(encoding="utf-8"))


@cache
def results() -> Any:
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def keep(benchmark: str, values: Mapping[str, float]) -> None:
    """Keep what a benchmark measured, for ``python -m benchmarks.published`` to bring into the documents."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    kept[benchmark] = {**kept.get(benchmark, {}), **{key: round(value, 4) for key, value in values.items()}}
    RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def rows(*lines: list[str]) -> str:
    """Rows of a Markdown table, which begins and ends on lines of its own."""
    return "\n\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def with_head(head: list[str], *lines: list[str]) -> str:
    return rows(head, ["---"] * len(head), *lines)


def within(found: Mapping[str, Any], pattern: str, key: str = "value") -> str:
    """A value with its bootstrap interval, such as ``0.974 (0.968 to 0.979)``."""
    low, high = found["interval"]
    return f"{found[key]:{pattern}} ({low:{pattern}} to {high:{pattern}})"


def accuracy(dice: Mapping[str, Any], agreement: Mapping[str, Any]) -> str:
    """Dice beside the errors of the three quantities that a reader asks for first."""
    quantities = ("lv_ef", "rv_ef", "lv_mass")
    lines = []
    for (structure, title), quantity in zip(STRUCTURES.items(), quantities, strict=True):
        found = agreement[quantity]
        errors = [
            f"{found['bias']:+z.1f}",
            f"{found['sd']:.1f}",
            f"{found['mae']:.1f}",
            f"{found['worst']:+.1f}",
        ]
        scores = [f"{dice[phase][structure]:.3f}" for phase in ("ED", "ES")]
        lines.append([title, *scores, QUANTITIES[quantity], *errors])
    return with_head(["", "Dice ED", "Dice ES", "", "bias", "SD", "MAE", "worst"], *lines)


def sax_accuracy() -> str:
    found = evaluation("sax")
    dice = {phase: {s: v["mean"] for s, v in by.items()} for phase, by in found["dice"].items()}
    agreement = {
        quantity: {**{key: of[key]["value"] for key in ("bias", "sd", "mae")}, "worst": of["worst"]}
        for quantity, of in found["agreement"].items()
    }
    return accuracy(dice, agreement)


def folds_accuracy() -> str:
    found = results()["five_folds"]
    return accuracy(found["dice"], found["agreement"])


def sax_dice() -> str:
    found = evaluation("sax")
    lines = [
        [
            title,
            *(within(found["dice"][phase][structure], ".3f", "mean") for phase in ("ED", "ES")),
            *(f"{found['hd95_mm'][phase][structure]['mean']:.1f}" for phase in ("ED", "ES")),
        ]
        for structure, title in STRUCTURES.items()
    ]
    return with_head(["structure", "Dice ED", "Dice ES", "HD95 ED, mm", "HD95 ES, mm"], *lines)


def sax_agreement() -> str:
    lines = []
    for quantity, title in QUANTITIES.items():
        found = evaluation("sax")["agreement"][quantity]
        lines.append(
            [
                title,
                within(found["bias"], "+z.1f"),
                within(found["sd"], ".1f"),
                within(found["mae"], ".1f"),
                f"{found['worst']:+.1f} ({found['worst_patient']})",
                f"{found['correlation']['value']:.3f}",
            ]
        )
    return with_head(["against reference", "bias", "SD", "MAE", "worst", "r"], *lines)


def sax_groups() -> str:
    lines = [
        [group, *(f"{by['dice'][phase][s]['mean']:.3f}" for s in STRUCTURES for phase in ("ED", "ES"))]
        for group, by in evaluation("sax")["by_group"].items()
    ]
    head = ["group", *(f"{name} {phase}" for name in ("LV", "myocardium", "RV") for phase in ("ED", "ES"))]
    return with_head(head, *lines)


def sax_robustness() -> str:
    lines = []
    for name, found in evaluation("sax")["robustness"]["conditions"].items():
        scores = [f"{found['dice'][s]:.3f}" for s in STRUCTURES]
        losses = [f" ({found['loss'][s]:z.3f})" if name != "unchanged" else "" for s in STRUCTURES]
        cells = [score + loss for score, loss in zip(scores, losses, strict=True)]
        lines.append([found["title"], *cells, str(found["refused"])])
    return with_head(["images", "LV", "myocardium", "RV", "refused"], *lines)


def sax_largest_loss() -> str:
    conditions = evaluation("sax")["robustness"]["conditions"]
    return f"{max(loss for found in conditions.values() for loss in found['loss'].values()):.4f}"


def coverage(model: str) -> str:
    """How often the intervals of a model hold, over all patients and by fifth of their half-widths."""
    found = evaluation(model)
    lines = []
    for quantity, fifths in found["coverage_by_difficulty"].items():
        if quantity in QUANTITIES:
            held = [found["coverage"][quantity], *(fifth["held"] for fifth in fifths)]
            patients = str(sum(fifth["n"] for fifth in fifths))
            lines.append([QUANTITIES[quantity], *(f"{100 * share:.0f} %" for share in held), patients])
    head = ["", "held", "narrowest fifth", "second", "third", "fourth", "widest fifth", "patients"]
    return with_head(head, *lines)


def risk(model: str) -> str:
    """Mean absolute error of those who remain when the widest intervals are withheld."""
    by_quantity = evaluation(model)["risk_coverage"]
    shown = {quantity: risks for quantity, risks in by_quantity.items() if quantity in QUANTITIES}
    shares = [f"{100 * part['share']:.0f} % kept" for part in next(iter(shown.values()))]
    lines = [
        [QUANTITIES[quantity], *(f"{part['mae']:.1f}" for part in risks)] for quantity, risks in shown.items()
    ]
    return with_head(["MAE", *shares], *lines)


def subgroups(model: str, quantities: tuple[str, ...]) -> str:
    """Errors and intervals of the patients of each subgroup, where there is more than one."""
    lines = []
    for fact, groups in evaluation(model)["subgroups"].items():
        for value, group in groups.items() if len(groups) > 1 else ():
            cells = []
            for quantity in quantities:
                found = group["agreement"][quantity]
                cells.append(f"{found['bias']['value']:+z.1f} ± {found['sd']['value']:.1f}")
                cells.append(f"{100 * group['coverage'][quantity]:.0f} %")
            lines.append([f"{fact}: {value}", str(group["patients"]), *cells])
    heads = [head for quantity in quantities for head in (f"{QUANTITIES[quantity]}: bias ± SD", "held")]
    return with_head(["", "patients", *heads], *lines)


def unflagged(model: str) -> str:
    """Gross errors, those without a finding, and by whom."""
    flags = evaluation(model)["flags"]
    named = f" ({', '.join(flags['missed'])})" if flags["missed"] else ""
    return f"{flags['gross']}, without a finding {len(flags['missed'])}{named}"


def echo_dice() -> str:
    dice = evaluation("echo")["dice"]
    lines = [
        [title, *(within(dice[phase][structure], ".3f") for phase in ("ED", "ES"))]
        for structure, title in ECHO_STRUCTURES.items()
    ]
    return with_head(["structure", "Dice ED", "Dice ES"], *lines)


def echo_agreement() -> str:
    lines = []
    for method, title in EF_METHODS.items():
        found = evaluation("echo")["ejection_fraction"][method]
        worst = f"{found['worst']['error']:+.1f} ({found['worst']['patient']})"
        cells = [
            within(found["bias"], "+.1f"),
            within(found["sd"], ".1f"),
            within(found["mae"], ".1f"),
            worst,
        ]
        lines.append([title, *cells, within(found["r"], ".3f")])
    return with_head(["", "bias", "SD", "MAE", "worst", "r"], *lines)


def echo_atrium() -> str:
    """The left atrium, model against reference contours."""
    titles = {
        "largest_ml": "largest, discs, mL",
        "largest_by_area_ml": "largest, area-length, mL",
        "smallest_ml": "smallest, discs, mL",
        "emptying_percent": "emptying, points",
    }
    found = evaluation("echo")["left_atrium"]
    return compared({title: found[name] for name, title in titles.items()})


def echo_strain() -> str:
    """Strain from end-diastole to end-systole, model against reference contours."""
    found = evaluation("echo")["strain"]
    return compared({"endocardium, points": found["endo"], "mid-wall, points": found["mid"]})


def compared(by_title: Mapping[str, Any]) -> str:
    """A row for each quantity and method."""
    lines = [
        [
            title,
            method_title,
            str(of["n"]),
            within(of["bias"], "+.1f"),
            within(of["sd"], ".1f"),
            within(of["mae"], ".1f"),
            within(of["r"], ".3f"),
        ]
        for title, by_method in by_title.items()
        for method, method_title in EF_METHODS.items()
        if (of := by_method[method]) is not None
    ]
    return with_head(["", "", "patients", "bias", "SD", "MAE", "r"], *lines)


INTERVAL_TITLES = {
    "lv_ef": "LV EF",
    "rv_ef": "RV EF",
    "lv_edv": "LV EDV",
    "lv_esv": "LV ESV",
    "lv_sv": "LV SV",
    "lv_mass": "LV mass",
    "rv_edv": "RV EDV",
    "rv_esv": "RV ESV",
    "rv_sv": "RV SV",
    "la_ef": "LA emptying fraction",
    "la_max": "LA volume, largest, discs",
    "la_max_area_length": "LA volume, largest, area-length",
    "la_min": "LA volume, smallest",
    "lv_gls_endo": "GLS, endocardium",
    "lv_gls_mid": "GLS, mid-wall",
}


def interval_title(name: str) -> str:
    """Of a measurement, or of one view alone."""
    stem, _, view = name.rpartition("_")
    if view in ("a4c", "a2c"):
        return f"{INTERVAL_TITLES[stem]} from {view.upper()} alone"
    return INTERVAL_TITLES[name]


def intervals() -> str:
    """Half-widths that hold for every patient, of both models."""
    sax, echo = (card(model)["uncertainty"] for model in ("sax", "echo"))
    held = evaluation("echo")["intervals"]
    lines = []
    for model, source in (("short axis", sax), ("ultrasound", echo)):
        widths = {name: f"± {width:.1f} points" for name, width in source["half_widths"].items()}
        widths |= {name: f"± {100 * share:.0f} %" for name, share in source["shares"].items()}
        for name, width in widths.items():
            patients = held[name]["patients"] if model == "ultrasound" else source["patients"]
            lines.append([model, interval_title(name), width, str(patients)])
    return with_head(["model", "measurement", "interval", "patients"], *lines)


def echo_intervals() -> str:
    """How often intervals of the other patients hold: the same for all, and by doubt."""
    lines = []
    for name, found in evaluation("echo")["intervals"].items():
        if "by_doubt" in found:
            same, by_doubt = found["same_for_all"], found["by_doubt"]
            unit, times = (" points", 1) if name.startswith("lv_ef") else (" %", 100)
            halves = [same["median_half_width"], *by_doubt["median_half_width_by_third"]]
            shares = [same["held"], by_doubt["held"], *by_doubt["held_by_third"]]
            lines.append(
                [
                    interval_title(name),
                    f"± {times * halves[0]:.1f}{unit}",
                    ", ".join(f"{times * half:.1f}" for half in halves[1:]) + unit,
                    *(f"{100 * share:.0f} %" for share in shares),
                ]
            )
    head = ["", "same for all", "by doubt, median of each third", "holds, same for all", "by doubt"]
    return with_head([*head, "clearest third", "middle", "least clear"], *lines)


def stages() -> str:
    """The table of times of the README."""
    found = results()["stages"]
    names = ("read", "select", "assemble", "infer", "measure", "write")
    cells = [f"{found[f'{name}_ms']:.0f} ms" for name in names]
    cells += [f"{found[key] / 1000:.1f} s" for key in ("total_ms", "process_ms")]
    return with_head(
        [*names, "total", "process, start to exit", "peak memory"], [*cells, f"{found['peak_mib']:.0f} MiB"]
    )


def rest_s() -> str:
    """Seconds of CPU of all stages but the network."""
    found = results()["stages"]
    return f"{(found['total_ms'] - found['infer_ms']) / 1000:.1f}"


def workers_needed() -> str:
    """The table of docs/explanation/scaling.md, and the command that prints it."""
    infer_s = NUMBERS["stages_infer_s"]()
    study = Study(float(rest_s()) + float(infer_s), fetched_mb=300, stored_mb=6)
    command = f"python -m benchmarks.capacity --rest-s {rest_s()} --infer-s {infer_s}"
    return f"\n\n{table(study)}\n\nIt is what this command prints:\n```\n{command}\n```\n\n"


def benchmark(name: str, key: str, pattern: str, scale: float = 1.0) -> Callable[[], str]:
    """One value of benchmarks/results.json."""
    return lambda: f"{results()[name][key] * scale:{pattern}}"


def fold(quantity: str, key: str, pattern: str) -> Callable[[], str]:
    """One value over the five folds."""
    return lambda: f"{results()['five_folds']['agreement'][quantity][key]:{pattern}}"


MOTION = {
    "lv_gcs_endo": "endocardial strain",
    "lv_gcs_mid": "mid-wall strain",
    "phases_to_gcs_endo": "time to endocardial peak, phases",
    "phases_to_gcs_mid": "time to mid-wall peak, phases",
    "lv_per": "peak ejection rate",
    "lv_time_to_per": "time to peak ejection",
    "lv_pfr": "peak filling rate",
}


def motion(part: str, title: str) -> list[list[str]]:
    """Rows of one table of ``benchmarks.motion``: mean, standard deviation, largest, number."""
    found = results()[f"motion_{part}"]
    return [
        [
            name,
            f"{found[f'{title}, {key}, mean']:+z.1f}",
            f"{found[f'{title}, {key}, sd']:.1f}",
            f"{found[f'{title}, {key}, largest']:.1f}",
            f"{found[f'{title}, {key}, n']:.0f}",
        ]
        for key, name in MOTION.items()
        if f"{title}, {key}, mean" in found
    ]


def motion_errors(part: str, title: str) -> str:
    return with_head(["", "bias", "SD", "largest", "n"], *motion(part, title))


def motion_repeat() -> str:
    lines = [
        [name, mean.lstrip("+"), largest]
        for name, mean, _, largest, _ in motion("repeat", "SD over variants")
    ]
    return with_head(["", "SD", "largest of a heart"], *lines)


ACDC_GROUPS = {
    "NOR": "healthy",
    "DCM": "dilated",
    "HCM": "hypertrophic",
    "MINF": "infarcted",
    "RV": "right ventricle",
}


def motion_groups() -> str:
    lines = []
    for group, title in ACDC_GROUPS.items():
        (_, endo, endo_sd, _, n), (_, mid, mid_sd, _, _) = motion("acdc", f"readers, {group}")
        lines.append([title, f"{endo} ± {endo_sd}", f"{mid} ± {mid_sd}", n])
    return with_head(["", "endocardial", "mid-wall", "n"], *lines)


GRADES = ("normal", "hypokinetic", "akinetic", "dyskinetic")


def wall_motion_groups(who: str) -> str:
    """Shares of the grades by diagnosis."""
    found = results()["wall_motion"]
    lines = [
        [
            title,
            *(f"{found[f'{group}, {who}, {grade}']:.0f} %" for grade in GRADES),
            f"{found[f'{group}, {who}, segments']:.0f}",
        ]
        for group, title in ACDC_GROUPS.items()
    ]
    return with_head(["", *GRADES, "segments"], *lines)


def apical_thickening() -> str:
    found = results()["apical_thickening"]
    lines = [
        [
            title,
            *(f"{found[f'{view} {level}, {key}']:.0f}" for key in ("ED mm", "thickening", "normal", "still")),
            f"{found[f'{view} {level}, segments']:.0f}",
        ]
        for view, of_view in {"a4c": "four-chamber", "a2c": "two-chamber"}.items()
        for level in ("basal", "mid", "apical")
        for title in [f"{of_view}, {level}"]
    ]
    head = ["", "ED, mm", "thickening, %", "30 % and more, % of segments", "under 10 %, % of segments", "n"]
    return with_head(head, *lines)


def wall_motion_agreement() -> str:
    found = results()["wall_motion"]
    names = {
        "segments": ("segments, of {patients:.0f} patients", ".0f"),
        "same grade, %": ("same grade, %", ".0f"),
        "within one grade, %": ("same or next grade, %", ".0f"),
        "kappa": ("kappa", ".2f"),
        "quadratic kappa": ("kappa with quadratic weights", ".2f"),
        "abnormal found, %": ("abnormal by readers' contours, also by the model's, %", ".0f"),
        "normal kept, %": ("normal by readers' contours, also by the model's, %", ".0f"),
        "thickening bias, points": ("thickening, bias in points", "+z.1f"),
        "thickening SD, points": ("thickening, SD in points", ".1f"),
        "thickening 90 %, points": ("thickening, half-width that holds 90 %, points", ".1f"),
        "index bias": ("index, bias", "+z.2f"),
        "index SD": ("index, SD", ".2f"),
        "index 90 %": ("index, half-width that holds 90 %", ".2f"),
    }
    patients = found["agreement, patients"]
    lines = [
        [title.format(patients=patients), f"{found[f'agreement, {key}']:{pattern}}"]
        for key, (title, pattern) in names.items()
    ]
    return with_head(["model against readers", ""], *lines)


NUMBERS: Mapping[str, Callable[[], str]] = {
    "sax_accuracy": sax_accuracy,
    "sax_dice": sax_dice,
    "sax_agreement": sax_agreement,
    "sax_groups": sax_groups,
    "sax_robustness": sax_robustness,
    "sax_largest_loss": sax_largest_loss,
    "sax_coverage": lambda: coverage("sax"),
    "sax_risk": lambda: risk("sax"),
    "sax_subgroups": lambda: subgroups("sax", ("lv_ef", "rv_ef")),
    "sax_unflagged": lambda: unflagged("sax"),
    "folds_accuracy": folds_accuracy,
    **{
        f"folds_{quantity}_{key}": fold(quantity, key, pattern)
        for quantity in ("lv_ef", "rv_ef")
        for key, pattern in {"bias": "+z.1f", "sd": ".1f", "worst": "+.1f"}.items()
    },
    "folds_lv_mass_bias": fold("lv_mass", "bias", "+z.1f"),
    "folds_lv_mass_sd": fold("lv_mass", "sd", ".1f"),
    "echo_dice": echo_dice,
    "echo_agreement": echo_agreement,
    "echo_atrium": echo_atrium,
    "echo_strain": echo_strain,
    "intervals": intervals,
    "echo_intervals": echo_intervals,
    "motion_truth": lambda: motion_errors("truth", "labels of the model"),
    "motion_true_labels": lambda: motion_errors("truth", "true labels"),
    "motion_repeat": motion_repeat,
    "motion_acdc": lambda: motion_errors("acdc", "model against readers"),
    "motion_groups": motion_groups,
    "wall_motion_readers": lambda: wall_motion_groups("readers"),
    "wall_motion_model": lambda: wall_motion_groups("model, validation"),
    "wall_motion_validation": lambda: wall_motion_groups("readers, validation"),
    "wall_motion_agreement": wall_motion_agreement,
    "apical_thickening": apical_thickening,
    "stages": stages,
    "stages_total_s": benchmark("stages", "total_ms", ".1f", 1e-3),
    "stages_rest_s": rest_s,
    "workers_needed": workers_needed,
    "stages_infer_s": benchmark("stages", "infer_ms", ".1f", 1e-3),
    "echo_total_s": benchmark("echo_stages", "total_ms", ".1f", 1e-3),
    "echo_infer_s": benchmark("echo_stages", "infer_ms", ".1f", 1e-3),
    "memory_peak_gb": benchmark("memory", "peak_gb", ".1f"),
    "event_to_sr_s": benchmark("event_to_sr", "event_to_sr_ms", ".1f", 1e-3),
    "event_beside_s": benchmark("event_to_sr", "beside_ms", ".2f", 1e-3),
    "burst_ratio": benchmark("burst", "ratio", ".2f"),
}


def documents() -> list[Path]:
    return sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))


def refreshed(text: str) -> str:
    """A document with its numbers as the records have them.

    Raises:
        KeyError: it marks a number that is not known here.
    """
    return MARKED.sub(lambda found: f"{found[1]}{NUMBERS[found['name']]()}{found[4]}", text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 where one differs")
    check = parser.parse_args().check
    differs = False
    for path in documents():
        text = path.read_text(encoding="utf-8")
        if (fresh := refreshed(text)) != text:
            differs = True
            print(path.relative_to(ROOT))
            if not check:
                path.write_text(fresh, encoding="utf-8")
    return int(check and differs)


if __name__ == "__main__":
    sys.exit(main())
