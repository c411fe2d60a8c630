"""What tissues look like in a balanced steady-state cine, relative to the blood of the left ventricle.

Ranges are measured in the end-diastolic frames of the 100 ACDC training patients (Bernard et al., IEEE Trans
Med Imaging 2018;37:2514-2525), as the 5th to 95th percentile over patients; the phantom draws from the
inside of each range.
"""

from __future__ import annotations

from dataclasses import dataclass

from cvai.phantom.seeds import Stream, generator

MYOCARDIUM_TO_BLOOD = (0.26, 0.59)
"""Median of the labelled myocardium, median over patients 0.38."""

RV_BLOOD_TO_BLOOD = (0.65, 0.98)
"""Median of the labelled RV cavity, median over patients 0.84."""

LUNG_TO_BLOOD = (0.02, 0.28)
"""5th percentile of the ring from 4 to 40 mm around the heart, which is lung in most; median 0.09."""

BRIGHTEST_TO_BLOOD = (1.14, 2.60)
"""99.5th percentile of the whole stack, which is fat near the coil; median 1.41."""

CAVITY_VARIATION = (0.148, 0.353)
"""Standard deviation inside the labelled LV cavity, papillary muscles included; median 0.22."""

NOISE_TO_BLOOD = (0.021, 0.056)
"""Robust high-pass standard deviation inside the myocardium, its texture included; median 0.033."""

STORED_BLOOD = (105.0, 355.0)
"""Stored value of blood."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """Signal of every tissue, blood of the left ventricle being 1.

    Fat is negative: at the echo time of a balanced sequence fat and water point in opposite directions, so a
    voxel that holds both is dark. That is the black line around every organ in such images.
    """

    blood: float
    rv_blood: float
    myocardium: float
    liver: float
    spleen: float
    muscle: float
    lung: float
    fat: float
    marrow: float
    stored_blood: float
    noise: float

    @classmethod
    def drawn(cls, seed: int) -> Contrast:
        """Contrast of one patient on one scanner."""
        rng = generator(seed, Stream.CONTRAST)
        myocardium = rng.uniform(0.32, 0.45)
        return cls(
            blood=1.0,
            rv_blood=rng.uniform(0.74, 0.90),
            myocardium=myocardium,
            liver=myocardium * rng.uniform(0.65, 1.05),
            spleen=myocardium * rng.uniform(0.9, 1.3),
            muscle=myocardium * rng.uniform(0.6, 0.8),
            lung=rng.uniform(0.05, 0.12),
            fat=-rng.uniform(0.85, 1.15),
            marrow=-rng.uniform(0.25, 0.45),
            stored_blood=rng.uniform(120.0, 320.0),
            noise=rng.uniform(0.013, 0.027),
        )
