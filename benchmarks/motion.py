"""Strain and timing of the short-axis cine against what is known.

``python -m benchmarks.motion truth|repeat|acdc [--record]``

``truth``: phantoms of known strain and volume curve, labelled by the model. ``repeat``: the same hearts
turned, mirrored, with larger and smaller pixels and with more noise. ``acdc``: contours of the model against
those of readers from end-diastole to end-systole, in the validation patients; and readers' contours of all
patients by diagnosis.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.labelled_hearts import ACDC, SPLIT
from benchmarks.published import keep
from cvai.domain.anatomy import Structure
from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry
from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases, key_phases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.beat_times import beat_times
from cvai.domain.ventricles.circumferential import Layer, circumferential_strain, measure_strain
from cvai.domain.ventricles.rings import beat_rings
from cvai.domain.ventricles.timing import measure_timing
from cvai.domain.volumes import volume_curve_ml
from cvai.models.folders import model_folder
from cvai.models.sax import SaxSegmenter
from cvai.phantom.beat import ejected_share
from cvai.phantom.cine_sax.phantom import Phantom, make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.training.datasets.data import LabelledVolume, load_split
from cvai.training.datasets.kinds import DatasetKind, open_dataset

EF_PERCENT = (25.0, 40.0, 55.0, 65.0)
N_HEARTS, N_REPEATED, N_PHASES, FEW_PHASES = 8, 3, 25, 8
MORE_NOISE = 0.02
"""Standard deviation of the noise that is added, as a share of the brightest pixel."""

FLAT = 0.2
"""Points of strain by which phases may differ that are lowest together."""

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a labelled cine measures, and which slices its strain is of."""

    phases: KeyPhases
    slices: tuple[int, ...]
    values: Values


def measured(stack: CineStack, segmentation: CineSegmentation) -> Measured:
    """Strain and timing of a labelled cine."""
    phases = key_phases(volume_curve_ml(segmentation, Structure.LV_CAVITY))
    times = beat_times(stack.phase_times_ms, stack.heart_rate_bpm)
    strain = measure_strain(segmentation, beat_rings(segmentation), phases, times)
    found: tuple[Measurement, ...] = (
        *strain.measurements,
        *measure_timing(segmentation, phases, times).measurements,
    )
    slices = () if strain.strain is None else strain.strain.slices
    return Measured(phases, slices, {m.name: m.value for m in found})


def phantom(seed: int, **acquisition: float) -> Phantom:
    """The heart of a seed, imaged as the keywords of ``PhantomAcquisition`` ask for."""
    heart = PhantomHeart.drawn(seed, EF_PERCENT[seed % len(EF_PERCENT)])
    return make_phantom(heart, replace(PhantomAcquisition(n_phases=N_PHASES, seed=seed), **acquisition))


def truth(segmenter: SaxSegmenter) -> tuple[list[Values], list[Values]]:
    """Errors of every phantom with the model's labels, and with the true ones."""
    of_model, of_truth = [], []
    for seed in range(1, N_HEARTS + 1):
        made = phantom(seed)
        of_model.append(errors(made, measured(made.stack, segmenter.segment(made.stack))))
        of_truth.append(errors(made, measured(made.stack, made.labels)))
    return of_model, of_truth


def errors(made: Phantom, found: Measured) -> Values:
    """Strain in points, its time in phases, rates in percent, times in ms."""
    step_ms = made.truth.heart.rr_interval_ms / N_PHASES
    off = {}
    for layer in Layer:
        true_percent = made.truth.contours.strain_percent(layer, found.phases.end_diastole, found.slices)
        off[f"lv_gcs_{layer}"] = found.values[f"lv_gcs_{layer}"] - float(true_percent.min())
        if f"lv_time_to_gcs_{layer}" in found.values:
            phase = (found.values[f"lv_time_to_gcs_{layer}"] / step_ms + found.phases.end_diastole) % N_PHASES
            off[f"phases_to_gcs_{layer}"] = outside(
                phase, np.flatnonzero(true_percent < true_percent.min() + FLAT)
            )
    return off | {
        name: found.values[name] - value
        if name.startswith("lv_time")
        else 100 * (found.values[name] / value - 1)
        for name, value in true_timing(made.truth.heart).items()
        if name in found.values
    }


def outside(phase: float, lowest: NDArray[np.intp]) -> float:
    """How many phases before or after those of the lowest true strain: it stays low until filling begins."""
    return min(phase - float(lowest[0]), 0.0) + max(phase - float(lowest[-1]), 0.0)


def true_timing(heart: PhantomHeart) -> Values:
    """Peak rates of the continuous volume and their times, from a thousand steps a second."""
    times_ms = np.arange(0.0, heart.rr_interval_ms, 1.0)
    share = ejected_share(times_ms / heart.rr_interval_ms, heart.heart_rate_bpm)
    ml_s = 1000.0 * np.gradient(heart.edv_ml - heart.stroke_volume_ml * share)
    es = int(share.argmax())
    early = ml_s[es : es + (times_ms.size - es) // 2]
    return {
        "lv_per": float(-ml_s[:es].min()),
        "lv_time_to_per": float(times_ms[ml_s[:es].argmin()]),
        "lv_pfr": float(early.max()),
    }


def variants(seed: int) -> Iterator[CineStack]:
    """The same heart in other images, of few phases: the peak alone is compared."""
    made = phantom(seed, n_phases=FEW_PHASES)
    stack, pixels = made.stack, made.pixels
    rng = np.random.default_rng(seed)
    noise = MORE_NOISE * float(pixels.max()) * rng.standard_normal(pixels.shape)
    yield stack
    yield replace(stack, stored=np.ascontiguousarray(np.rot90(pixels, axes=(2, 3))))
    yield replace(stack, stored=np.ascontiguousarray(pixels[..., ::-1]))
    yield replace(stack, stored=np.clip(pixels + noise, 0, None).astype(np.uint16))
    for spacing_mm in (1.1, 1.8):
        yield phantom(seed, n_phases=FEW_PHASES, spacing_y_mm=spacing_mm, spacing_x_mm=spacing_mm).stack
    yield phantom(seed, n_phases=FEW_PHASES, rotation_degrees=33.0).stack


def repeat(segmenter: SaxSegmenter) -> Iterator[Values]:
    """Standard deviation over the variants of a heart, for several hearts."""
    for seed in range(1, N_REPEATED + 1):
        values = defaultdict(list)
        for stack in variants(seed):
            for name, value in measured(stack, segmenter.segment(stack)).values.items():
                values[name].append(value)
        yield {name: float(np.std(found, ddof=1)) for name, found in values.items()}


def ed_to_es_percent(volumes: Sequence[LabelledVolume], labels: Sequence[NDArray[np.uint8]]) -> Values | None:
    """Strain from end-diastole to end-systole of both layers; None where too few slices show rings."""
    geometry = StackGeometry.unplaced(len(labels[0]), volumes[0].spacing_mm)
    rings = beat_rings(CineSegmentation(np.stack(labels), geometry))
    strain = circumferential_strain(rings, 0, np.ones(geometry.n_slices, dtype=np.bool_))
    return None if strain is None else {f"lv_gcs_{layer}": float(strain.percent[layer][1]) for layer in Layer}


def model_labels(segmenter: SaxSegmenter, volumes: Sequence[LabelledVolume]) -> Sequence[NDArray[np.uint8]]:
    """Labels of the model on both phases."""
    images = np.stack([volume.image for volume in volumes])
    stack = CineStack(images, StackGeometry.unplaced(images.shape[1], volumes[0].spacing_mm), None, None)
    return list(segmenter.segment(stack).labels)


def acdc(segmenter: SaxSegmenter) -> tuple[list[Values], Mapping[str, list[Values]]]:
    """Differences of the model in the validation patients, and readers' strain of all patients by group."""
    dataset, split = open_dataset(DatasetKind.ACDC, ACDC), load_split(SPLIT)
    differences, groups = [], defaultdict(list)
    for patient in (*split.train, *split.validation):
        volumes = sorted(dataset.volumes(patient), key=lambda volume: volume.phase)
        reader = ed_to_es_percent(volumes, [volume.labels for volume in volumes])
        if reader is not None:
            groups[volumes[0].group].append(reader)
        if patient in split.validation:
            model = ed_to_es_percent(volumes, model_labels(segmenter, volumes))
            if reader is not None and model is not None:
                differences.append({name: model[name] - reader[name] for name in reader})
    return differences, groups


def spread(rows: Sequence[Values]) -> dict[str, dict[str, float]]:
    """Mean, standard deviation, largest absolute value and number, by name."""
    names = dict.fromkeys(name for row in rows for name in row)
    found = {name: np.array([row[name] for row in rows if name in row]) for name in names}
    return {
        name: {
            "mean": round(float(values.mean()), 2),
            "sd": round(float(values.std(ddof=1)), 2),
            "largest": round(float(np.abs(values).max()), 2),
            "n": len(values),
        }
        for name, values in found.items()
    }


def acdc_tables(segmenter: SaxSegmenter) -> dict[str, dict[str, dict[str, float]]]:
    differences, groups = acdc(segmenter)
    by_group = {f"readers, {group}": spread(rows) for group, rows in sorted(groups.items())}
    return {"model against readers": spread(differences), **by_group}


def truth_tables(segmenter: SaxSegmenter) -> dict[str, dict[str, dict[str, float]]]:
    of_model, of_truth = truth(segmenter)
    return {"labels of the model": spread(of_model), "true labels": spread(of_truth)}


PARTS: Mapping[str, Callable[[SaxSegmenter], dict[str, dict[str, dict[str, float]]]]] = {
    "truth": truth_tables,
    "repeat": lambda segmenter: {"SD over variants": spread(list(repeat(segmenter)))},
    "acdc": acdc_tables,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--model", default="sax")
    parser.add_argument("--record", action="store_true", help="keep the numbers for the documents")
    arguments = parser.parse_args()
    tables = PARTS[arguments.part](SaxSegmenter.load(model_folder(arguments.model)))
    for title, rows in tables.items():
        print(f"\n| {title} | mean | SD | largest | n |\n|---|---|---|---|---|")
        for name, row in rows.items():
            print(f"| `{name}` | {row['mean']:+.2f} | {row['sd']:.2f} | {row['largest']:.2f} | {row['n']} |")
    if arguments.record:
        keep(
            f"motion_{arguments.part}",
            {
                f"{title}, {name}, {statistic}": value
                for title, rows in tables.items()
                for name, row in rows.items()
                for statistic, value in row.items()
            },
        )


if __name__ == "__main__":
    main()
