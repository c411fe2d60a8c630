"""The evaluation of a model for coronary angiograms as plain values."""

SCHEMA = "cvai.coronary_evaluation/1"
