"""A network of three layers: the worked example of CONTRIBUTING.md."""

from __future__ import annotations

from posecli.network.network import FRAMES, Network, PoseHead, PoseSpec, Scaling
from posecli.network.operations import Activation, BatchNormalization, Convolution, TransposedConvolution


def toy(spec: PoseSpec) -> Network:
    """A strided convolution, normalised and rectified, and a head that doubles its map."""
    parts = spec.n_bodyparts
    operations = (
        Convolution("conv", (FRAMES,), (5, 5), "conv/kernel", 16, (4, 4), padding="centered"),
        BatchNormalization("norm", ("conv",), "norm/gamma", "norm/beta", "norm/mean", "norm/variance", 1e-3),
        Activation("relu", ("norm",), "relu"),
        TransposedConvolution("head", ("relu",), (3, 3), "head/kernel", parts, (2, 2), bias="head/bias"),
        Activation("scoremap", ("head",), "sigmoid", sensitive=True),
    )
    head = PoseHead(scoremap="scoremap", locref=None, locref_stdev=spec.locref_stdev)
    return Network("toy", operations, head, Scaling(1 / 127.5, offset=1.0))
