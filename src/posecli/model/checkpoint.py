"""Tensors out of TensorFlow checkpoints and frozen graphs.

TensorFlow's own readers are used; they check the container's checksums. What a training run leaves in a
checkpoint beside the network (momentum, step counters, supervision heads) is never asked for. Nor are averages of
weights (``ExponentialMovingAverage``), as EfficientNets are published with: DeepLabCut begins training with them, but
analyses with the plain weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from posecli.errors import ModelError
from posecli.model.folder import LARGEST_WEIGHTS_BYTES, check_shape
from posecli.network.folding import Tensors
from posecli.network.i3d import LOGITS, I3DSpec, i3d
from posecli.support.tensorflow import import_tensorflow
from posecli.support.yamlfile import brief

Shapes = Mapping[str, tuple[int, ...]]

#: A frozen graph is one protocol buffer, which holds no more.
LARGEST_GRAPH_BYTES = 2 << 30
#: Names and shapes of a checkpoint; those of DeepLabCut's have some tens of kilobytes.
LARGEST_INDEX_BYTES = 16 << 20
#: What stands before the published names; the network for optical flow has another.
PREFIX = "RGB/inception_i3d/"
FIRST_KERNEL = "Conv3d_1a_7x7/conv_3d/w"
#: Channels of optical flow: a step to the right, and one down.
FLOW_CHANNELS = 2


class StoredTensor(NamedTuple):
    """A tensor's shape and type in a checkpoint."""

    shape: tuple[int, ...]
    kind: str


def list_checkpoint(prefix: Path) -> dict[str, StoredTensor]:
    """What a checkpoint holds, by name; `prefix` and errors as for `read_checkpoint`."""
    with _opened(prefix) as reader:
        kinds = reader.get_variable_to_dtype_map()
        return {
            name: StoredTensor(tuple(shape), kinds[name].name)
            for name, shape in reader.get_variable_to_shape_map().items()
        }


def read_checkpoint(prefix: Path, shapes: Shapes) -> dict[str, npt.NDArray[np.float32]]:
    """Read the tensors named in `shapes` that a checkpoint holds; `ModelError` if it is missing or damaged.

    Its path, `prefix`, is without the endings ``.index`` and ``.data-00000-of-00001``.
    """
    with _opened(prefix) as reader:
        held = reader.get_variable_to_shape_map()
        for name in (name for name in shapes if name in held):  # before a claim takes memory
            check_shape(name, tuple(held[name]), shapes[name], where=f"'{prefix}'")
        return {name: reader.get_tensor(name) for name in shapes if name in held}


@contextmanager
def _opened(prefix: Path) -> Iterator[Any]:
    tf = import_tensorflow()
    for path in prefix.parent.glob("*"):
        if path.name.startswith(f"{prefix.name}.") and path.is_file():
            limit = LARGEST_INDEX_BYTES if path.suffix == ".index" else LARGEST_WEIGHTS_BYTES
            if path.stat().st_size > limit:
                raise ModelError(
                    f"'{path}' has {path.stat().st_size} bytes, more than any network's (at most {limit} are read): "
                    "check that it is the right file"
                )
    try:
        with _without_wildcards(prefix) as plain:
            yield tf.train.load_checkpoint(str(plain))
    # Not every status of the C++ reader becomes one of TensorFlow's own errors: a short file is an
    # IndexError, and a length that cannot be is a MemoryError.
    except (tf.errors.OpError, ValueError, LookupError, RuntimeError, OSError, MemoryError) as error:
        raise ModelError(
            f"checkpoint '{prefix}' cannot be read ({_reason(error)}): copy it again from where it was trained"
        ) from error


@contextmanager
def _without_wildcards(prefix: Path) -> Iterator[Path]:
    """The checkpoint under a path that TensorFlow does not take for a glob pattern."""
    if not set(str(prefix)) & set("*?[\\"):
        yield prefix
        return
    with tempfile.TemporaryDirectory(prefix="posecli-") as folder:
        for path in prefix.parent.iterdir():
            if path.name == prefix.name or path.name.startswith(f"{prefix.name}."):
                (Path(folder) / f"plain{path.name.removeprefix(prefix.name)}").symlink_to(path.resolve())
        yield Path(folder) / "plain"


def read_frozen_graph(path: Path, shapes: Shapes) -> dict[str, npt.NDArray[np.float32]]:
    """Read the tensors named in `shapes` from the constants of a ``.pb`` file."""
    tf = import_tensorflow()
    from google.protobuf.message import DecodeError

    graph = tf.compat.v1.GraphDef()
    try:
        if path.stat().st_size > LARGEST_GRAPH_BYTES:
            raise ValueError(f"it has {path.stat().st_size} bytes, at most {LARGEST_GRAPH_BYTES} are read")
        graph.ParseFromString(path.read_bytes())
        constants = {node.name: node.attr["value"].tensor for node in graph.node if node.op == "Const"}
        found = {}
        for name in (name for name in shapes if name in constants):
            # A constant may claim any shape for a single number: memory is taken for what is needed only.
            claimed = tuple(dim.size for dim in constants[name].tensor_shape.dim)
            check_shape(name, claimed, shapes[name], where=f"'{path}'")
            found[name] = tf.make_ndarray(constants[name])
    except (OSError, DecodeError, ValueError, TypeError, LookupError) as error:
        raise ModelError(
            f"'{path}' is not a frozen TensorFlow graph ({_reason(error)}): export the model again"
        ) from error
    return found


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def read_i3d_checkpoint(path: Path, spec: I3DSpec) -> tuple[Tensors, tuple[str, ...]]:
    """Read an I3D network's tensors from a checkpoint; also, what was left out and why, a sentence each.

    They have the names of ``i3d(spec).variable_shapes()``. Where only the number of classes differs, the logits' are
    left out. Checkpoints come in variants: names with and without ``RGB/inception_i3d/`` before them, statistics of
    batch normalisation as ``(C,)`` and as ``(1, 1, 1, 1, C)``, and with or without what an optimiser keeps. `path` may
    have the ending ``.index``. `ModelError` names every tensor that is missing, or of another shape or type.
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
    if (classes := _other_classes(held, shapes)) is not None:
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
