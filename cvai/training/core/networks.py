"""The network, built from MONAI."""

from __future__ import annotations

import torch
from monai.networks.nets import DynUNet

from cvai.training.core.config import NetworkConfig
from cvai.training.core.spec import AnyRun


def network_for(run: AnyRun) -> torch.nn.Module:
    """A fresh network of the kind that ``run`` trains."""
    return unet(run.config.network, len(run.task.channels), run.task.outputs)


def unet(config: NetworkConfig, in_channels: int, out_channels: int) -> torch.nn.Module:
    """A 2-D UNet for rows and columns that are multiples of ``2 ** (levels - 1)``.

    Batch normalisation, because it folds into the convolutions at inference.
    """
    levels = len(config.filters)
    return DynUNet(  # type: ignore[no-any-return]
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(config.filters),
        norm_name=("batch", {"affine": True}),
        act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
    )
