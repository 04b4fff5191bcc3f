"""The model folder: ``model.yaml``, which describes a network, beside its weights.

Weights keep the names and layout of the checkpoint they came from (batch normalisation not folded), in
`safetensors` format: plain arrays that no code can hide in. They are float32, or float16 in a folder that was written
to be small, whose numbers widen exactly when they are read. The folder can be moved and copied freely.
"""

from __future__ import annotations

import errno
import hashlib
import math
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from posecli import __version__
from posecli.errors import ModelError, OutputError, OutputExistsError
from posecli.network.folding import fold_batch_norm
from posecli.network.spec import PoseNetworkSpec
from posecli.network.variables import UNITS_PER_BLOCK, variable_shapes
from posecli.yamlfile import brief, read_yaml

MODEL_FILE = "model.yaml"
WEIGHTS_FILE = "weights.safetensors"
FORMAT = "posecli-model"
FORMAT_VERSION = 1
#: Two halvings more in the backbone than the heads take back: the only stride these networks have.
STRIDE = 8.0
#: Ten times the largest network: a file beyond that is none, and hashing it would take hours.
LARGEST_WEIGHTS_BYTES = 4 << 30
#: The list of names and shapes at the start of a weights file; ResNet-152 needs a fortieth of it.
LARGEST_HEADER_BYTES = 4 << 20
#: More would make file names longer than file systems take.
LONGEST_SCORER = 150


@dataclass(frozen=True)
class ModelDescription:
    """What ``model.yaml`` says.

    Attributes
    ----------
    net_type
        ``resnet_50``, ``resnet_101`` or ``resnet_152``.
    bodyparts
        Names, in the order of the scoremaps.
    scorer
        Begins with ``DLC_``; names result files and the first column level.
    stride
        Input px per scoremap cell.
    locref_stdev
        Px per unit of location refinement.
    location_refinement
        Whether the network refines locations.
    mean_pixel
        RGB mean subtracted before the network, 0..255.
    pcutoff
        Likelihood below which the project's owner holds a point for not seen; ``None`` if not known.
    source
        Where the network came from: plain strings and numbers, for people and manifests.
    weights_sha256
        Hash of the weights file.
    """

    net_type: str
    bodyparts: tuple[str, ...]
    scorer: str
    stride: float = STRIDE
    locref_stdev: float = 7.2801
    location_refinement: bool = True
    mean_pixel: tuple[float, float, float] = (123.68, 116.779, 103.939)
    pcutoff: float | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ModelError(f"a model cannot be used: {problem}")

    def _problems(self) -> list[str]:
        problems = []
        if self.net_type not in UNITS_PER_BLOCK:
            problems.append(f"net type {brief(self.net_type)} is not supported yet, only {', '.join(UNITS_PER_BLOCK)}")
        names = self.bodyparts
        if not names or len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
            problems.append(f"its body parts {brief(list(names))} are not distinct names")
        if not str(self.scorer).startswith("DLC_") or re.search(r"[/\\\x00-\x1f\x7f]", str(self.scorer)):
            problems.append(
                f"scorer {brief(str(self.scorer))} must begin with 'DLC_' and hold no slash, because the field's tools "
                "split file names there"
            )
        if self.stride != STRIDE:
            problems.append(f"stride {self.stride} is not supported yet, only {STRIDE:g}")
        if not (math.isfinite(self.locref_stdev) and self.locref_stdev > 0):
            problems.append(f"locref_stdev {self.locref_stdev} is not a positive number")
        if len(self.mean_pixel) != 3 or not all(math.isfinite(value) for value in self.mean_pixel):
            problems.append(f"mean_pixel {brief(self.mean_pixel)} is not three numbers")
        return problems + self._problems_of_type()

    def _problems_of_type(self) -> list[str]:
        problems = []
        if len(str(self.scorer)) > LONGEST_SCORER:
            problems.append(f"scorer {brief(str(self.scorer))} is too long for a part of file names")
        if self.pcutoff is not None and not math.isfinite(self.pcutoff):
            problems.append(f"pcutoff {self.pcutoff} is not a number")
        wanted = {"location_refinement": bool, "source": Mapping, "weights_sha256": str, "scorer": str}
        return problems + [
            f"{name} {brief(getattr(self, name))} is not of the type {kind.__name__}"
            for name, kind in wanted.items()
            if not isinstance(getattr(self, name), kind)
        ]

    @property
    def network(self) -> PoseNetworkSpec:
        """The network to build."""
        return PoseNetworkSpec(self.net_type, len(self.bodyparts), self.mean_pixel, self.location_refinement)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors that the network needs."""
        return variable_shapes(self.net_type, len(self.bodyparts), locref=self.location_refinement)


@dataclass(frozen=True)
class ModelFolder:
    """A model folder on disk.

    Attributes
    ----------
    path
        The folder.
    description
        What its ``model.yaml`` says.
    """

    path: Path
    description: ModelDescription

    @property
    def identity(self) -> str:
        """Hash of everything that determines poses: the weights and how they are used; not where they lie."""
        used = asdict(self.description) | {"source": None, "pcutoff": None, "scorer": None}
        return hashlib.sha256(yaml.safe_dump(_plain(used), sort_keys=True).encode()).hexdigest()

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every tensor by its checkpoint name, in float32.

        Raises
        ------
        ModelError
            If the file is missing, is not what the folder was made with, or lacks a tensor.
        """
        path = self.path / WEIGHTS_FILE
        if not path.is_file():
            raise ModelError(f"model folder '{self.path}' has no {WEIGHTS_FILE}: import the model again")
        held = _read_weights(path, self.description.shapes())
        tensors = {name: _widened(tensor) for name, tensor in held.items()}
        # Names and shapes first: a missing tensor says more than a wrong hash.
        check_tensors(tensors, self.description.shapes(), where=f"'{path}'")
        found = file_sha256(path)
        if found != self.description.weights_sha256:
            raise ModelError(
                f"'{path}' is not the file that {MODEL_FILE} was written for (its SHA-256 begins {found[:12]}, "
                f"expected {self.description.weights_sha256[:12]}): import the model again"
            )
        return tensors

    def folded_weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Weights for inference: batch normalisation folded into the convolutions; errors as `weights`."""
        network = self.description.network
        return fold_batch_norm(self.weights(), network.net_type, network.n_bodyparts, locref=network.locref)


def _read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[Any]]:
    """The tensors of these names, none of which takes more memory than its shape needs."""
    from safetensors import SafetensorError, safe_open

    try:
        _check_header_size(path)
        with safe_open(path, framework="numpy") as file:
            held = set(file.keys()) & set(shapes)
            for name in (name for name in shapes if name in held):
                check_shape(name, tuple(file.get_slice(name).get_shape()), shapes[name], where=f"'{path}'")
            return {name: file.get_tensor(name) for name in shapes if name in held}
    # The last three: numbers of a type that NumPy does not have.
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"'{path}' cannot be read ({brief(str(error))}): import the model again") from error


def _check_header_size(path: Path) -> None:
    """Refuse a file, or a header, that no network needs, before either is read."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        header = int.from_bytes(stream.read(8), "little")
    if size > LARGEST_WEIGHTS_BYTES or header > min(size, LARGEST_HEADER_BYTES):
        raise ModelError(
            f"'{path}' has {size} bytes and a header of {header}, which no network's have: import the model again"
        )


def check_shape(name: str, found: tuple[int, ...], needed: tuple[int, ...], *, where: str) -> None:
    """Refuse a tensor of another shape than the network needs."""
    if found != needed:
        raise ModelError(
            f"{where} has tensor '{name}' of shape {brief(found)} where {needed} is needed: "
            "check that net type and body parts belong to this network"
        )


def check_tensors(
    tensors: Mapping[str, npt.NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], *, where: str
) -> None:
    """Refuse tensors that are missing or of another shape or type than the network needs; extra ones are fine."""
    for name, shape in shapes.items():
        if name not in tensors:
            raise ModelError(
                f"{where} lacks tensor '{name}' of shape {shape}: check that it is a whole, trained network"
            )
        tensor = tensors[name]
        check_shape(name, tensor.shape, shape, where=where)
        if tensor.dtype != np.float32:
            raise ModelError(f"{where} has tensor '{name}' of type {tensor.dtype} where float32 is needed")


def _widened(tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor


def _stored(tensors: Mapping[str, npt.NDArray[np.float32]], *, half: bool) -> dict[str, npt.NDArray[Any]]:
    """Tensors as a folder keeps them."""
    halved = {name: _halved(name, tensor) if half else tensor for name, tensor in tensors.items()}
    return {name: np.ascontiguousarray(tensor) for name, tensor in halved.items()}


def _halved(name: str, tensor: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Kernels rounded to float16; the few numbers of biases and batch normalisation as they are."""
    if not name.endswith("weights"):
        return tensor
    with np.errstate(over="ignore"):
        rounded = tensor.astype(np.float16)
    lost = np.isfinite(tensor) & ~np.isfinite(rounded)
    if lost.any():
        raise ModelError(
            f"tensor '{name}' holds {tensor[lost][0]:g}, which float16 (up to {np.finfo(np.float16).max:g}) cannot: "
            "store the model in float32"
        )
    return rounded


def is_model_folder(path: Path) -> bool:
    """Whether a folder says that it is one."""
    return (path / MODEL_FILE).is_file()


def read_model_folder(path: Path) -> ModelFolder:
    """Read ``model.yaml``; the weights are read when they are needed.

    Raises
    ------
    ModelError
        If the folder is none, or its description is not usable.
    """
    content = read_yaml(path / MODEL_FILE, ModelError)
    if content.pop("format", None) != FORMAT or content.pop("format_version", None) != FORMAT_VERSION:
        raise ModelError(
            f"'{path / MODEL_FILE}' is not a {FORMAT} file of version {FORMAT_VERSION}: "
            f"import the model with this version of posecli ({__version__})"
        )
    try:
        content["bodyparts"] = tuple(content["bodyparts"])
        content["mean_pixel"] = tuple(float(value) for value in content["mean_pixel"])
        description = ModelDescription(**content)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ModelError(f"'{path / MODEL_FILE}' is damaged ({brief(str(error))}): import the model again") from error
    except ModelError as error:
        raise ModelError(f"'{path / MODEL_FILE}': {error}") from error
    return ModelFolder(path, description)


def write_model_folder(
    path: Path,
    description: ModelDescription,
    tensors: Mapping[str, npt.NDArray[np.float32]],
    *,
    overwrite: bool = False,
    half: bool = False,
) -> ModelFolder:
    """Write a folder beside its final name and move it there when it is whole.

    Parameters
    ----------
    path
        The folder to make.
    description
        Its ``model.yaml``; the weights' hash is filled in.
    tensors
        By checkpoint name, at least those of ``description.shapes()``.
    overwrite
        Replace a model folder that is there already.
    half
        Round kernels to float16, which halves the file.

    Raises
    ------
    ModelError
        If a number is too large for float16, with `half`.
    OutputExistsError
        If something is there already and `overwrite` is not set, or it is not a model folder.
    OutputError
        If it cannot be written.
    """
    from safetensors.numpy import save_file

    if path.exists() and not (overwrite and is_model_folder(path)):
        advice = "pass --overwrite to replace it" if is_model_folder(path) else "choose another name"
        raise OutputExistsError(f"'{path}' is there already: {advice}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            stored = _stored({name: tensors[name] for name in description.shapes()}, half=half)
            save_file(stored, new / WEIGHTS_FILE)
            content = asdict(description) | {"weights_sha256": file_sha256(new / WEIGHTS_FILE)}
            header = {"format": FORMAT, "format_version": FORMAT_VERSION}
            text = yaml.safe_dump(header | _plain(content), sort_keys=False, allow_unicode=True)
            (new / MODEL_FILE).write_text(text, encoding="utf-8")
            _move_into_place(new, path, Path(scratch) / "old", overwrite=overwrite)
    except OSError as error:
        raise OutputError(
            f"model folder '{path}' cannot be written ({error.strerror or error}): choose another place"
        ) from error
    return read_model_folder(path)


def _move_into_place(new: Path, path: Path, aside: Path, *, overwrite: bool) -> None:
    if overwrite and path.exists():
        path.rename(aside)
    try:
        new.rename(path)
    except OSError as error:
        if aside.exists() and not path.exists():
            aside.rename(path)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise OutputExistsError(f"'{path}' was just made by another process: choose another name") from error


def file_sha256(path: Path) -> str:
    """Hash of a whole file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _plain(value: Any) -> Any:
    """Tuples to lists, so that YAML needs no tags."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
