"""The I3D network's tensors out of TensorFlow checkpoints, as published with the Kinetics data and as retrained since.

They come in variants: names with and without ``RGB/inception_i3d/`` before them, statistics of batch normalisation
as ``(C,)`` and as ``(1, 1, 1, 1, C)``, and with or without what an optimiser keeps beside the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import ModelError
from posecli.model.checkpoint import read_checkpoint, without_wildcards
from posecli.network.i3d import LOGITS, I3DSpec, i3d
from posecli.network.tensorflow_runtime import import_tensorflow
from posecli.support.yamlfile import brief

#: What stands before the published names; the network for optical flow has another.
PREFIX = "RGB/inception_i3d/"
FIRST_KERNEL = "Conv3d_1a_7x7/conv_3d/w"
#: Channels of optical flow: a step to the right, and one down.
FLOW_CHANNELS = 2


@dataclass(frozen=True)
class CheckpointTensors:
    """What a checkpoint holds of a network.

    Attributes
    ----------
    tensors
        float32 arrays under the names of `Network.variable_shapes`.
    notes
        What was left out and why, a sentence each.
    """

    tensors: dict[str, npt.NDArray[np.float32]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Held:
    """A tensor as the checkpoint has it: its whole name, shape and type."""

    name: str
    shape: tuple[int, ...]
    kind: str


def read_i3d_checkpoint(path: Path, spec: I3DSpec) -> CheckpointTensors:
    """Read an I3D network's tensors from a checkpoint.

    Parameters
    ----------
    path
        Path without the endings ``.index`` and ``.data-00000-of-00001``; with the first it is understood too.
    spec
        The network that the tensors are for. Where only its number of classes differs, the logits' are left out.

    Raises
    ------
    ModelError
        If a file of the checkpoint is missing or damaged, if it holds no such network, or one of optical flow, or if
        tensors are missing or of another shape or type; every such tensor is named.
    """
    prefix = path.with_suffix("") if path.suffix == ".index" else path
    held = _held(prefix)
    _check_kind(prefix, held)
    shapes = i3d(spec).variable_shapes()
    notes: tuple[str, ...] = ()
    classes = _other_classes(held, shapes)
    if classes is not None:
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith(f"{LOGITS}/")}
        notes = (f"the logits of '{prefix}' tell {classes} classes apart, not {spec.n_classes}, and are left out",)
    _check_all(prefix, held, shapes)
    found = read_checkpoint(prefix, {held[name].name: held[name].shape for name in shapes})
    return CheckpointTensors({name: found[held[name].name].reshape(shapes[name]) for name in shapes}, notes)


def _held(prefix: Path) -> dict[str, _Held]:
    """Everything in the checkpoint, by name without the prefix."""
    if not prefix.with_name(f"{prefix.name}.index").is_file():
        raise ModelError(
            f"there is no checkpoint '{prefix}': give the path of its .index file, which has to stand beside its data"
        )
    read_checkpoint(prefix, {})  # refuses what is too large or damaged
    with without_wildcards(prefix) as plain:
        reader = import_tensorflow().train.load_checkpoint(str(plain))
        kinds = reader.get_variable_to_dtype_map()
        return {
            name.removeprefix(PREFIX): _Held(name, tuple(shape), kinds[name].name)
            for name, shape in reader.get_variable_to_shape_map().items()
        }


def _check_kind(prefix: Path, held: Mapping[str, _Held]) -> None:
    """Refuse a checkpoint of anything but an I3D network on pictures."""
    kernels = [tensor for name, tensor in held.items() if name.endswith(FIRST_KERNEL)]
    if any(len(kernel.shape) == 5 and kernel.shape[3] == FLOW_CHANNELS for kernel in kernels):
        raise ModelError(
            f"checkpoint '{prefix}' is an I3D network for optical flow, which posecli does not compute: "
            "give one for RGB"
        )
    if FIRST_KERNEL not in held:
        raise ModelError(
            f"checkpoint '{prefix}' is no I3D network (it has no tensor '{PREFIX}{FIRST_KERNEL}', with or without "
            f"'{PREFIX}'): give one of the published RGB checkpoints or one trained from them"
        )


def _other_classes(held: Mapping[str, _Held], shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """How many classes the checkpoint's logits have, if that is all that is different about them."""
    kernel, bias = f"{LOGITS}/conv_3d/w", f"{LOGITS}/conv_3d/b"
    if kernel not in held or bias not in held or held[kernel].shape == shapes[kernel]:
        return None
    found = held[kernel].shape
    return found[-1] if found[:-1] == shapes[kernel][:-1] and held[bias].shape == found[-1:] else None


def _check_all(prefix: Path, held: Mapping[str, _Held], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse tensors that are missing or of another shape or type, all in one."""
    wrong = [
        f"'{name}' {difference}" for name, shape in shapes.items() if (difference := _difference(held, name, shape))
    ]
    if wrong:
        raise ModelError(
            f"checkpoint '{prefix}' does not fit the I3D network: {'; '.join(wrong)}: "
            "check that it is a whole network of this width"
        )


def _difference(held: Mapping[str, _Held], name: str, shape: tuple[int, ...]) -> str:
    """What is wrong with a tensor, in words; nothing if it is right."""
    if name not in held:
        return f"of shape {shape} is missing"
    found = held[name]
    if _plain(found.shape, name) != shape:
        return f"has shape {brief(found.shape)} where {shape} is needed"
    return f"has type {found.kind} where float32 is needed" if found.kind != "float32" else ""


def _plain(shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """The shape of batch-normalisation variables without the single extents that some checkpoints keep before it."""
    return shape[-1:] if "/batch_norm/" in name and set(shape[:-1]) <= {1} else shape
