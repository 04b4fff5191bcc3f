"""The model folder: ``model.yaml``, which describes a network, beside its weights.

Weights keep the names and layout of the checkpoint they came from (batch normalisation not folded), in
`safetensors` format: plain arrays that no code can hide in. They are float32, or float16 in a folder that was written
to be small, whose numbers widen exactly when they are read. The folder can be moved and copied freely.

Its int8 version, ``int8.yaml``, says what computes in int8 and how that was found: a range for each convolution. The
weights stay as they are and are rounded when the network is built, so the file cannot disagree with them but by
belonging to others. Where a run tried to make one and could not, ``int8-refused.yaml`` says so until one is made.

A network that looks at one animal may bring the detector that finds it, in a model folder of its own within this one.
"""

from __future__ import annotations

import errno
import hashlib
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import yaml

from posecli import __version__
from posecli.errors import ModelError, OutputError, OutputExistsError
from posecli.model.description import ClipDescription, Description, ModelDescription
from posecli.model.detector import DetectorDescription
from posecli.network.architectures import DETECTORS
from posecli.network.folding import int8_names
from posecli.network.int8 import Int8Plan
from posecli.support.files import write_whole
from posecli.support.yamlfile import brief, read_yaml

MODEL_FILE = "model.yaml"
WEIGHTS_FILE = "weights.safetensors"
FORMAT = "posecli-model"
FORMAT_VERSION = 1
#: Ten times the largest network: a file beyond that is none, and hashing it would take hours.
LARGEST_WEIGHTS_BYTES = 4 << 30
#: The list of names and shapes at the start of a weights file; ResNet-152 needs a fortieth of it.
LARGEST_HEADER_BYTES = 4 << 20
DETECTOR_FOLDER = "detector"
#: In a description's source: DeepLabCut's name of a detector that posecli does not run.
LEFT_OUT = "detector_left_out"
INT8_FILE = "int8.yaml"
#: Why a run that tried made no int8 version.
REFUSAL_FILE = "int8-refused.yaml"
INT8_FORMAT = "posecli-int8"
INT8_VERSION = 1

#: A mouse seen from above, and the behaviours of the rendered home cage.
BUILTIN_FOLDER = Path(__file__).resolve().parent / "built_in" / "mouse-from-above"
BEHAVIOURS_FOLDER = BUILTIN_FOLDER.with_name("home-cage")
#: The networks that come with posecli, by their names wherever a model is asked for.
BUILTIN = {"built-in": BUILTIN_FOLDER, "built-in-behaviours": BEHAVIOURS_FOLDER}

D = TypeVar("D", bound=Description)


@dataclass(frozen=True)
class FolderOf(Generic[D]):
    """A model folder on disk, and what its ``model.yaml`` says."""

    path: Path
    description: D

    @property
    def identity(self) -> str:
        """Hash of everything that determines results: the weights and how they are used; not where they lie."""
        used = _plain(self.description.identity_fields())
        if self.detector is not None:
            used["detector"] = self.detector.identity
        return hashlib.sha256(yaml.safe_dump(used, sort_keys=True).encode()).hexdigest()

    @cached_property
    def detector(self) -> DetectorFolder | None:
        """What finds the animal for a network that looks at nothing else; ``None`` if it brings no detector."""
        path = self.path / DETECTOR_FOLDER
        if getattr(self.description, "top_down", None) is None or not is_model_folder(path):
            return None
        folder = read_any_folder(path)
        if not isinstance(folder.description, DetectorDescription):
            raise ModelError(f"'{path}' is not a detector: import the model again")
        return folder

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Every tensor by its checkpoint name, in float32; `ModelError` if the file is not the folder's own."""
        path = self.path / WEIGHTS_FILE
        if not path.is_file():
            raise ModelError(f"model folder '{self.path}' has no {WEIGHTS_FILE}: import the model again")
        shapes = self.description.network.variable_shapes()
        tensors = _read_weights(path, shapes)
        for name, tensor in tensors.items():
            if tensor.dtype == np.float16:
                tensors[name] = tensor.astype(np.float32)
        # Names and shapes first: a missing tensor says more than a wrong hash.
        check_tensors(tensors, shapes, where=f"'{path}'")
        found = file_sha256(path)
        if found != self.description.weights_sha256:
            raise ModelError(
                f"'{path}' is not the file that {MODEL_FILE} was written for (its SHA-256 begins {found[:12]}, "
                f"expected {self.description.weights_sha256[:12]}): import the model again"
            )
        return tensors


#: The folder of a pose network, of a network for behaviours, of a detector, and of any.
ModelFolder: TypeAlias = FolderOf[ModelDescription]
ClipModelFolder: TypeAlias = FolderOf[ClipDescription]
DetectorFolder: TypeAlias = FolderOf[DetectorDescription]
AnyFolder: TypeAlias = FolderOf[Any]
#: A detector's description and tensors, not yet on disk.
DetectorParts: TypeAlias = tuple[DetectorDescription, Mapping[str, npt.NDArray[np.float32]]]


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


def _halved(name: str, tensor: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Kernels rounded to float16; the few numbers of biases and batch normalisation as they are."""
    if tensor.ndim == 1:
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
    """Read the ``model.yaml`` of a pose network; the weights are read when they are needed.

    `ModelError` if the folder is none, its description is not usable, or it is for behaviours.
    """
    folder = read_any_folder(path)
    if isinstance(folder.description, ClipDescription):
        raise ModelError(f"'{path}' is a network for behaviours: use it with 'posecli classify'")
    if isinstance(folder.description, DetectorDescription):
        raise ModelError(f"'{path}' is a detector: give the folder of the pose network that it lies in")
    return folder


def read_clip_folder(path: Path) -> ClipModelFolder:
    """Read the ``model.yaml`` of a network for behaviours; errors as `read_model_folder`, the other way round."""
    if not is_model_folder(path):
        raise ModelError(
            f"'{path}' is not a model folder: make one with 'posecli train', or from a checkpoint with 'posecli model "
            "import-i3d'"
        )
    folder = read_any_folder(path)
    if not isinstance(folder.description, ClipDescription):
        raise ModelError(f"'{path}' is a pose network, not one for behaviours: use it with 'posecli analyze'")
    return folder


def read_any_folder(path: Path) -> AnyFolder:
    """Read the ``model.yaml`` of whatever kind of network; errors as `read_model_folder`."""
    file = path / MODEL_FILE
    content = read_yaml(file, ModelError)
    if content.pop("format", None) != FORMAT or content.pop("format_version", None) != FORMAT_VERSION:
        raise ModelError(
            f"'{file}' is not a {FORMAT} file of version {FORMAT_VERSION}: "
            f"import the model with this version of posecli ({__version__})"
        )
    kinds: dict[str, type[Description]] = dict.fromkeys(DETECTORS, DetectorDescription)
    kinds[ClipDescription.net_type] = ClipDescription
    kind = kinds.get(str(content.get("net_type")), ModelDescription)
    try:
        return FolderOf(path, kind.from_plain(content))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ModelError(f"'{file}' is damaged ({brief(str(error))}): import the model again") from error
    except ModelError as error:
        raise ModelError(f"'{file}': {error}") from error


def write_folder(
    path: str | Path,
    description: D,
    tensors: Mapping[str, npt.NDArray[np.float32]],
    *,
    overwrite: bool = False,
    half: bool = False,
    detector: DetectorParts | None = None,
) -> FolderOf[D]:
    """Write a folder beside its final name and move it there when it is whole; the weights' hash is filled in.

    `tensors` has at least those of ``description.network.variable_shapes()``. Only a model folder is overwritten;
    anything else there is an `OutputExistsError`. `half` rounds kernels to float16, which halves the file; a number
    too large for it is a `ModelError`. A detector's description and tensors go into their place in the folder.
    """
    path = Path(path)
    if path.exists() and not (overwrite and is_model_folder(path)):
        advice = "pass --overwrite to replace it" if is_model_folder(path) else "choose another name"
        raise OutputExistsError(f"'{path}' already exists: {advice}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            described = _write_parts(new, description, tensors, half=half)
            if detector is not None:
                (new / DETECTOR_FOLDER).mkdir()
                _write_parts(new / DETECTOR_FOLDER, *detector, half=half)
            _move_into_place(new, path, Path(scratch) / "old", overwrite=overwrite)
    except OSError as error:
        raise OutputError(
            f"model folder '{path}' cannot be written ({error.strerror or error}): choose another place"
        ) from error
    return FolderOf(path, described)


def _write_parts(folder: Path, description: D, tensors: Mapping[str, npt.NDArray[np.float32]], *, half: bool) -> D:
    """Weights and description into a new folder; the description with the weights' hash."""
    from safetensors.numpy import save_file

    stored = {name: np.ascontiguousarray(tensors[name]) for name in description.network.variable_shapes()}
    if half:
        stored = {name: _halved(name, tensor) for name, tensor in stored.items()}
    save_file(stored, folder / WEIGHTS_FILE)
    described: D = replace(description, weights_sha256=file_sha256(folder / WEIGHTS_FILE))
    header = {"format": FORMAT, "format_version": FORMAT_VERSION}
    text = yaml.safe_dump(header | _plain(asdict(described)), sort_keys=False, allow_unicode=True)
    (folder / MODEL_FILE).write_text(text, encoding="utf-8")
    # safetensors makes files that nobody else may read, whatever the user's own habits.
    (folder / WEIGHTS_FILE).chmod((folder / MODEL_FILE).stat().st_mode)
    return described


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


def has_int8(folder: AnyFolder) -> bool:
    """Whether a model folder has an int8 version."""
    return (folder.path / INT8_FILE).is_file()


def read_int8_plan(folder: AnyFolder) -> Int8Plan:
    """Read what computes in int8; `ModelError` if the file is damaged, or was made for other weights."""
    path = folder.path / INT8_FILE
    content = read_yaml(path, ModelError)
    advice = "make it again with 'posecli model quantize'"
    if content.get("format") != INT8_FORMAT or content.get("format_version") != INT8_VERSION:
        raise ModelError(f"'{path}' is not a {INT8_FORMAT} file of version {INT8_VERSION}: {advice}")
    if content.get("model_identity") != folder.identity:
        raise ModelError(f"'{path}' was made for other weights than '{folder.path}' holds: {advice}")
    known = int8_names(folder.description.network)
    try:
        ranges = {str(scope): (float(low), float(high)) for scope, (low, high) in content["ranges"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ModelError(f"'{path}' is damaged ({brief(str(error))}): {advice}") from error
    for scope, (low, high) in ranges.items():
        if scope not in known or not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ModelError(f"'{path}' gives {brief(scope)} the range {low} to {high}, which is impossible: {advice}")
    return Int8Plan(ranges)


def int8_fingerprint(folder: AnyFolder) -> str | None:
    """Hash of what computes in int8; ``None`` for a folder without an int8 version."""
    if not has_int8(folder):
        return None
    ranges = sorted(read_int8_plan(folder).ranges.items())
    return hashlib.sha256(repr(ranges).encode()).hexdigest()


def write_int8(folder: AnyFolder, plan: Int8Plan, record: Mapping[str, Any]) -> None:
    """Write a plan and the record of how it was found, whole or not at all."""
    header = {"format": INT8_FORMAT, "format_version": INT8_VERSION, "model_identity": folder.identity}
    ranges = {scope: [float(low), float(high)] for scope, (low, high) in plan.ranges.items()}
    text = yaml.safe_dump({**header, **record, "ranges": ranges}, sort_keys=False, allow_unicode=True)
    write_whole(folder.path / INT8_FILE, text.encode())
    (folder.path / REFUSAL_FILE).unlink(missing_ok=True)


def write_int8_refusal(folder: AnyFolder, reason: str, settings: Mapping[str, Any], videos: Sequence[Path]) -> None:
    """Note that no int8 version could be made with some settings, and why."""
    record = {
        "model_identity": folder.identity,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_by": f"posecli {__version__}",
        "videos": [path.name for path in videos],
        "settings": dict(settings),
        "reason": reason,
    }
    write_whole(folder.path / REFUSAL_FILE, yaml.safe_dump(record, sort_keys=False, allow_unicode=True).encode())


def int8_was_refused(folder: AnyFolder, settings: Mapping[str, Any]) -> bool:
    """Whether it was noted that these weights have no int8 version with these settings; a damaged note is none."""
    try:
        record = read_yaml(folder.path / REFUSAL_FILE, ModelError)
    except ModelError:
        return False
    return record.get("model_identity") == folder.identity and record.get("settings") == settings


def builtin_model_path() -> Path:
    """The model folder of the built-in network, with its card; `ModelError` if this installation lacks it."""
    return _here(BUILTIN_FOLDER)


def builtin_behaviours_path() -> Path:
    """The model folder of the built-in network for behaviours; errors as `builtin_model_path`."""
    return _here(BEHAVIOURS_FOLDER)


def named_model(path: Path) -> Path:
    """The folder of a built-in network, if its name is given and no file has it; any other path as it is.

    >>> named_model(Path("built-in")).name, named_model(Path("openfield-model")).name
    ('mouse-from-above', 'openfield-model')
    """
    folder = BUILTIN.get(str(path))
    return path if folder is None or path.exists() else _here(folder)


def _here(folder: Path) -> Path:
    if not is_model_folder(folder):
        raise ModelError(
            f"this installation has no built-in network ('{folder}' is missing): install posecli again, "
            "or give a network with --model"
        )
    return folder
