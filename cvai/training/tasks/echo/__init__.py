"""Apical ultrasound views: patients, augmentation, and what a training run of them does."""
