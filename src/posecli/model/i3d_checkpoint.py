"""The I3D network's tensors out of TensorFlow checkpoints, as published with the Kinetics data and as retrained since.

They come in variants: names with and without ``RGB/inception_i3d/`` before them, statistics of batch normalisation
as ``(C,)`` and as ``(1, 1, 1, 1, C)``, and with or without what an optimiser keeps beside the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from posecli.errors import ModelError
from posecli.model.checkpoint import StoredTensor, list_checkpoint, read_checkpoint
from posecli.network.folding import Tensors
from posecli.network.i3d import LOGITS, I3DSpec, i3d
from posecli.support.yamlfile import brief

#: What stands before the published names; the network for optical flow has another.
PREFIX = "RGB/inception_i3d/"
FIRST_KERNEL = "Conv3d_1a_7x7/conv_3d/w"
#: Channels of optical flow: a step to the right, and one down.
FLOW_CHANNELS = 2


def read_i3d_checkpoint(path: Path, spec: I3DSpec) -> tuple[Tensors, tuple[str, ...]]:
    """Read an I3D network's tensors from a checkpoint.

    Parameters
    ----------
    path
        With or without the ending ``.index``.
    spec
        The network that the tensors are for. Where only its number of classes differs, the logits' are left out.

    Returns
    -------
    dict
        float32 arrays under the names of ``i3d(spec).variable_shapes()``.
    tuple of str
        What was left out and why, a sentence each.

    Raises
    ------
    ModelError
        If the checkpoint is not such a network; every tensor that is missing, or of another shape or type, is named.
    """
    prefix = path.with_suffix("") if path.suffix == ".index" else path
    if not prefix.with_name(f"{prefix.name}.index").is_file():
        raise ModelError(
            f"there is no checkpoint '{prefix}': give the path of its .index file, which must be beside its data"
        )
    stored = list_checkpoint(prefix)
    names = {name.removeprefix(PREFIX): name for name in stored}
    held = {name: stored[whole] for name, whole in names.items()}
    _check_kind(prefix, held)
    shapes = i3d(spec).variable_shapes()
    notes: tuple[str, ...] = ()
    classes = _other_classes(held, shapes)
    if classes is not None:
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith(f"{LOGITS}/")}
        notes = (f"the logits of '{prefix}' tell {classes} classes apart, not {spec.n_classes}, and are left out",)
    differences = {name: _difference(held.get(name), name, shape) for name, shape in shapes.items()}
    if wrong := [f"'{name}' {difference}" for name, difference in differences.items() if difference]:
        raise ModelError(
            f"checkpoint '{prefix}' does not fit the I3D network: {'; '.join(wrong)}: "
            "check that it is a whole network of this width"
        )
    found = read_checkpoint(prefix, {names[name]: held[name].shape for name in shapes})
    return {name: found[names[name]].reshape(shape) for name, shape in shapes.items()}, notes


def _check_kind(prefix: Path, held: Mapping[str, StoredTensor]) -> None:
    """Refuse a checkpoint of anything but an I3D network on pictures."""
    kernels = [tensor.shape for name, tensor in held.items() if name.endswith(FIRST_KERNEL)]
    if any(len(shape) == 5 and shape[3] == FLOW_CHANNELS for shape in kernels):
        raise ModelError(
            f"checkpoint '{prefix}' is an I3D network for optical flow, which posecli does not compute: "
            "give one for RGB"
        )
    if FIRST_KERNEL not in held:
        raise ModelError(
            f"checkpoint '{prefix}' is not an I3D network (it has no tensor '{PREFIX}{FIRST_KERNEL}', with or without "
            f"'{PREFIX}'): give one of the published RGB checkpoints or one trained from them"
        )


def _other_classes(held: Mapping[str, StoredTensor], shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """How many classes the checkpoint's logits have, if that is all that is different about them."""
    kernel, bias = f"{LOGITS}/conv_3d/w", f"{LOGITS}/conv_3d/b"
    if kernel not in held or bias not in held or held[kernel].shape == shapes[kernel]:
        return None
    *entering, classes = held[kernel].shape
    return classes if (*entering,) == shapes[kernel][:-1] and held[bias].shape == (classes,) else None


def _difference(found: StoredTensor | None, name: str, shape: tuple[int, ...]) -> str:
    """What is wrong with a tensor, in words; nothing if it is right."""
    if found is None:
        return f"of shape {shape} is missing"
    # Some checkpoints keep single extents before the statistics of batch normalisation.
    is_statistic = "/batch_norm/" in name and set(found.shape[:-1]) <= {1}
    if (found.shape[-1:] if is_statistic else found.shape) != shape:
        return f"has shape {brief(found.shape)} where {shape} is needed"
    return f"has type {found.kind} where float32 is needed" if found.kind != "float32" else ""
