"""The network of short-axis cines: samples, augmentation, previews."""
