"""Network architectures, built from MONAI."""

from __future__ import annotations

import torch
from monai.networks.nets import DynUNet

from cvai.domain.anatomy import ECHO_LABELS, SAX_LABELS
from cvai.domain.echo.views import EchoView
from cvai.training.core.config import AnyTrainConfig, EchoTrainConfig, NetworkConfig

SAX_CHANNELS = 3
"""A slice between its neighbours."""

ECHO_CHANNELS = 1
"""One frame."""


def network_for(config: AnyTrainConfig) -> torch.nn.Module:
    """A fresh network of the kind that ``config`` trains."""
    if isinstance(config, EchoTrainConfig):
        return echo_network(config.network)
    return sax_network(config.network)


def sax_network(config: NetworkConfig) -> torch.nn.Module:
    """A network that sees a slice with its two neighbours and labels the middle one.

    Input (n, 3, y, x); output (n, 4, y, x) logits of background and the structures in order of SAX_LABELS.
    """
    return unet(config, SAX_CHANNELS, len(SAX_LABELS) + 1)


def echo_network(config: NetworkConfig) -> torch.nn.Module:
    """A network that labels one ultrasound frame and says which view it is.

    Input (n, 1, y, x); output (n, 7, y, x): logits of background and the structures in the order of
    ECHO_LABELS, then one map for each EchoView, whose mean over all pixels is the logit of that view. So the
    view costs one more line in the last convolution instead of a network of its own.
    """
    return unet(config, ECHO_CHANNELS, len(ECHO_LABELS) + 1 + len(EchoView))


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
