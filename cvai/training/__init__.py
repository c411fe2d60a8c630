"""From labelled patients to a model under models/: data, networks, augmentation, loop, evaluation, export."""
