"""The JSON manifest beside a pose table: what was done, and whether it has to be done again.

The *fingerprint* hashes what determines a table's values: the video's content, the model, and the settings that change
poses. Batch size, pose decoder and video backend do not, so they are not part of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli import __version__
from posecli.errors import OutputError
from posecli.model.folder import AnyFolder, int8_fingerprint
from posecli.options import EngineName, FixedPrecision
from posecli.tables.pose_table import SECONDS_NODE
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo

FORMAT = "posecli-manifest"
FORMAT_VERSION = 1
LARGEST_MANIFEST_BYTES = 64 << 20
#: Packages that determine a table's values, and others that manifests report.
VALUE_PACKAGES = ("posecli", "numpy", "opencv-python", "opencv-python-headless", "av", "openvino", "tensorflow")
REPORTED_PACKAGES = (*VALUE_PACKAGES, "pandas", "tables", "keras")


def determining_settings(
    model: AnyFolder, engine: EngineName, precision: FixedPrecision, geometry: Geometry
) -> dict[str, Any]:
    """The settings that change the results of networks of any kind, as plain values."""
    return {
        "engine": engine,
        "precision": precision,
        "int8_version": int8_fingerprint(model) if precision == "int8" else None,
        "crop": str(geometry.crop) if geometry.is_cropped else None,
        "network_width": geometry.width,
        "network_height": geometry.height,
    }


def fingerprint(video_fingerprint: str, model: AnyFolder, settings: Mapping[str, Any]) -> str:
    """Hash of everything that determines a table's values."""
    parts = {"video": video_fingerprint, "model": model.identity, "settings": dict(settings)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def differences(manifest: Mapping[str, Any], sections: Mapping[str, Any]) -> list[str]:
    """What determines a table's values and differs from an earlier manifest, in words."""
    identities = (("video", "fingerprint", "another video"), ("model", "identity", "another model"))
    changes = [
        words for section, key, words in identities if mapping(manifest, section).get(key) != sections[section][key]
    ]
    before = mapping(manifest, "settings")
    return changes + changed_values(before, dict.fromkeys(before) | sections["settings"])  # what is gone has changed


def changed_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The new values that differ from the old ones, in words.

    >>> changed_values({"crop": None, "engine": "openvino"}, {"crop": "0,10,0,10", "engine": "openvino"})
    ['crop was None, not 0,10,0,10']
    """
    return [f"{key} was {old.get(key)}, not {new[key]}" for key in new if old.get(key) != new[key]]


def mapping(content: Mapping[str, Any] | None, key: str) -> Mapping[str, Any]:
    """A section of what a file holds, which may be anything; empty where it is no mapping."""
    section = (content or {}).get(key)
    return section if isinstance(section, Mapping) else {}


def describe_video(info: VideoInfo, video_fingerprint: str) -> dict[str, Any]:
    """What is known of a video before it is decoded."""
    return {
        "path": str(info.path.resolve()),
        "fingerprint": video_fingerprint,
        "codec": info.codec,
        "pixel_format": info.pixel_format,
        "width": info.width,
        "height": info.height,
        "rotation_applied_degrees": info.orientation.rotation,
        "mirrored": info.orientation.mirrored,
        "frame_rate": info.frame_rate,
        # Where packets do not tell, only decoding does.
        "variable_frame_rate": None if info.announced is None else info.announced.is_variable,
    }


def describe_run_of_video(info: VideoInfo, bad_frames: list[int], rows: int) -> dict[str, Any]:
    """What reading it has shown: all counts, the frames without a pose, and where the times are."""
    return {
        "frames": {
            "promised_by_container": info.promised_frames,
            "packets": info.expected_frames,
            "rows": rows,
            "not_decoded": len(bad_frames),
        },
        "bad_frames": bad_frames,
        "timestamps": {
            "hdf5_node": SECONDS_NODE,
            "unit": "seconds",
            "from_file": info.timeline.from_file,
            "falls_back_at": info.timeline.falls_back_at,
        },
    }


def describe_pictures(info: VideoInfo, pictures: Mapping[str, Any]) -> dict[str, Any]:
    """Oddities of a video's pictures, though each has its row."""
    return {
        "places_without_picture": info.empty_places,
        "packets_before_first_picture": info.unshown_at_start,
        "concealed_frames": pictures["concealed"],
        "rows_as_packets": pictures["as_announced"],
        "opencv_not_used": pictures["opencv_fault"],
    }


def oddities(info: VideoInfo, pictures: Mapping[str, Any]) -> Iterator[str]:
    """The same, and where the clock falls back, as sentences for people."""
    if info.empty_places:
        yield f"{info.empty_places} places in the file hold no picture (frames that the recorder dropped): no rows"
    elif jumps := info.timeline.jumps_at:
        yield f"by its times, frames seem to be missing before {_places(jumps)}: they have no rows"
    if info.promised_frames and not info.empty_places and info.promised_frames > len(info.timeline):
        yield f"its header counts {info.promised_frames} frames, of which {len(info.timeline)} are shown"
    if info.unshown_at_start:
        yield f"its first {info.unshown_at_start} packets cannot be shown (it was cut between key frames): no rows"
    if back := info.timeline.falls_back_at:
        yield f"its clock does not rise at {_places(back)}; rows are in the file's order, with its times"
    if concealed := pictures["concealed"]:
        yield f"the decoder patched up damaged pictures: look at the rows of {_places(concealed)}"
    if fault := pictures["opencv_fault"]:
        yield f"decoded by FFmpeg instead of OpenCV: {fault}"


def _places(frames: Sequence[int]) -> str:
    """Names of some frames.

    >>> _places([20]), _places([1, 2, 3, 4, 5])
    ('frame 20', 'frames 1, 2, 3 and 2 more')
    """
    named = ", ".join(map(str, frames[:3]))
    more = f" and {len(frames) - 3} more" if len(frames) > 3 else ""
    return f"frame{'s' if len(frames) > 1 else ''} {named}{more}"


def describe_model(model: AnyFolder) -> dict[str, Any]:
    """The manifest's section on the model."""
    described = {"path": str(model.path.resolve()), "identity": model.identity, **asdict(model.description)}
    return described if model.detector is None else described | {"detector": asdict(model.detector.description)}


def describe_teacher(model: AnyFolder) -> dict[str, Any]:
    """The manifest's section on the network that looked at frames of which the model was unsure."""
    return {"path": str(model.path.resolve()), "identity": model.identity, "scorer": model.description.scorer}


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed."""
    versions = {name: _installed_version(name) for name in names}
    return {name: found for name, found in versions.items() if found is not None}


@cache
def _installed_version(name: str) -> str | None:
    """Looked up once: reading a package's metadata takes milliseconds."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def describe_machine() -> dict[str, Any]:
    """The manifest's section on the machine and the software."""
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": installed_versions(REPORTED_PACKAGES),
    }


def new_manifest(state: str, run_fingerprint: str, sections: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest made of its sections; `state` is ``complete`` or ``short``."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "state": state,
        "fingerprint": run_fingerprint,
        "posecli": __version__,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "machine": describe_machine(),
        **sections,
    }


def values_sha256(blocks: Iterable[npt.NDArray[np.float64]]) -> str:
    """SHA-256 of a table's values as float64, little-endian, row by row; blocks are some rows each.

    >>> values_sha256([np.zeros((2, 3))]) == values_sha256([np.zeros((1, 3)), np.zeros((1, 3))])
    True
    """
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block.astype("<f8").tobytes())
    return digest.hexdigest()


def encode_manifest(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as JSON in UTF-8."""
    return (json.dumps(manifest, indent=2, ensure_ascii=False, default=str) + "\n").encode()


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Read a manifest; ``None`` if there is none or the file is something else."""
    try:
        if path.stat().st_size > LARGEST_MANIFEST_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    except OSError as error:
        raise OutputError(
            f"manifest '{path}' cannot be read ({error.strerror or error}): check its permissions"
        ) from error
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None
