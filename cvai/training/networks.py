"""Network architectures, built from MONAI."""

from __future__ import annotations

import torch
from monai.networks.nets import DynUNet

from cvai.heart.anatomy import SAX_LABELS
from cvai.training.config import NetworkConfig


def sax_network(config: NetworkConfig) -> torch.nn.Module:
    """A 2-D UNet that sees a slice with its two neighbours and labels the middle one.

    Input (n, 3, y, x) with y and x multiples of ``2 ** (levels - 1)``; output (n, 4, y, x) logits of
    background and the structures in the order of SAX_LABELS. Batch normalisation, because it folds into the
    convolutions at inference.
    """
    levels = len(config.filters)
    return DynUNet(  # type: ignore[no-any-return]
        spatial_dims=2,
        in_channels=3,
        out_channels=len(SAX_LABELS) + 1,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(config.filters),
        norm_name=("batch", {"affine": True}),
        act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
    )
