"""Tensors out of TensorFlow checkpoints and frozen graphs.

TensorFlow's own readers are used; they check the container's checksums. What a training run leaves in a
checkpoint beside the network (momentum, step counters, supervision heads) is never asked for.
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
from posecli.support.tensorflow import import_tensorflow

Shapes = Mapping[str, tuple[int, ...]]

#: A frozen graph is one protocol buffer, which holds no more.
LARGEST_GRAPH_BYTES = 2 << 30
#: Names and shapes of a checkpoint; those of DeepLabCut's have some tens of kilobytes.
LARGEST_INDEX_BYTES = 16 << 20


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
