"""Readers of files from outside under random changes, led by which lines of posecli they reach.

A *target* is a reader with a few whole files. Files are changed at random (bytes, lengths, pieces exchanged, words of
the format); one that makes the reader run a line of posecli that was not run before is kept and changed further. A
reader may return, or raise a `PoseCliError` of one line. Anything else is a finding: another exception, a warning, more
than `PATIENCE` seconds, more than `MOST_MEMORY` of memory, or a process that dies.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from conftest import make_dots_model
from safetensors.numpy import save

import posecli
from posecli.errors import LabelError, PoseCliError
from posecli.labels.reading import read_label_table
from posecli.model.checkpoint import read_checkpoint, read_frozen_graph
from posecli.model.deeplabcut_project import find_source
from posecli.model.folder import INT8_FILE, MODEL_FILE, _read_weights, read_int8_plan, read_model_folder
from posecli.model.torchfile import FLOATS, read_torch_file
from posecli.model.torchpickle import TorchTensor
from posecli.support.textfile import NOTES
from posecli.tables.boxes import read_boxes
from posecli.tables.hdf5 import read_plain_table
from posecli.tables.manifest import differences, new_manifest, read_manifest
from posecli.video.probe import probe
from posecli.video.reader import VideoReader
from support import clips, labels, projects, pytorch_projects, torchfile
from support.poses import save_frame

SOURCE = str(Path(posecli.__file__).parent)
GOLDEN_FILES = Path(__file__).resolve().parents[1] / "model" / "golden"
PATIENCE = 10.0
#: Changes of a turn that is shorter than they take.
FEWEST = 10
MOST_MEMORY = 1 << 30
SHAPES: dict[str, tuple[int, ...]] = {"a/weights": (2, 3), "a/biases": (3,)}
TENSORS: projects.Tensors = {"a/weights": np.ones((2, 3), np.float32), "a/biases": np.zeros(3, np.float32)}
WORDS = [
    *(
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"-1",
        b"0",
        b"1e999",
        b".nan",
        b"NaN",
        b"Infinity",
        b"9" * 5000,
        b"0x" + b"f" * 300,
    ),
    *(
        b"&a [*a]",
        b"!!python/object:os.system x",
        b"<<: *a",
        b"2001-99-99",
        b"../../..",
        b"\0",
        b"\xff\xfe",
        b"'",
        b'"',
        b"\n",
    ),
    *(b"\xff" * 4, b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\0" * 8, b"\x80\0\0\0"),
]


@dataclass(frozen=True)
class Target:
    """A reader, the file that is changed, and what it holds at first."""

    path: Path
    read: Callable[[], Any]
    seeds: list[bytes]


@dataclass
class Report:
    """What came of a target."""

    target: str
    executions: int = 0
    refused: int = 0
    seconds: float = 0.0
    lines: int = 0
    corpus: int = 0
    findings: list[str] = field(default_factory=list)


# Targets -------------------------------------------------------------------------------------------------------------


def _model(folder: Path) -> Target:
    path = make_dots_model(folder / "model").path / MODEL_FILE
    full = path.read_bytes() + b"pcutoff: 0.4\nsource: {tool: x, global_scale: 0.8}\nweights_sha256: ab\n"
    return Target(path, lambda: read_model_folder(path.parent).identity, [path.read_bytes(), full])


def _int8(folder: Path) -> Target:
    model = make_dots_model(folder / "model")
    ranges = "ranges:\n  resnet_v1_50/conv1: [0.0, 255.0]\n  resnet_v1_50/block1/unit_1/bottleneck_v1/conv1: [-1.5, 3]"
    text = f"format: posecli-int8\nformat_version: 1\nmodel_identity: {model.identity}\n{ranges}"
    return Target(model.path / INT8_FILE, lambda: read_int8_plan(model), [text.encode()])


def _weights(folder: Path) -> Target:
    path = folder / "weights.safetensors"
    half = {name: tensor.astype(np.float16) for name, tensor in TENSORS.items()}
    return Target(path, lambda: _read_weights(path, SHAPES), [save(TENSORS), save(half)])


def _project(folder: Path) -> Target:
    place = folder / "dlc-models" / "iteration-0" / "reachNov20-trainset95shuffle1"
    for name in ("train", "test"):
        (place / name).mkdir(parents=True)
    (place / "train" / "snapshot-5.index").touch()
    (place / "test" / "pose_cfg.yaml").write_text("net_type: resnet_50\nall_joints_names: [a, b]\n", encoding="utf-8")
    text = b"Task: reach\ndate: Nov20\niteration: 0\nTrainingFraction: [0.95]\nsnapshotindex: -1\npcutoff: 0.6\n"
    return Target(folder / "config.yaml", lambda: find_source(folder / "config.yaml").describe(), [text])


def _pose_cfg(folder: Path) -> Target:
    _project(folder)
    place = folder / "dlc-models" / "iteration-0" / "reachNov20-trainset95shuffle1"
    text = (
        b"net_type: resnet_50\nall_joints_names: [a, b]\nlocref_stdev: 7.2801\nlocation_refinement: true\n"
        b"stride: 8.0\nmean_pixel: [1, 2, 3]\nmulti_stage: false\nglobal_scale: 0.8\ndataset: x\n"
    )
    return Target(place / "test" / "pose_cfg.yaml", lambda: find_source(place).describe(), [text])


def _pytorch_config(folder: Path) -> Target:
    place = pytorch_projects.write_pytorch_directory(folder)
    path = place / "train" / "pytorch_config.yaml"
    seeds = [path.read_bytes()]
    changes: dict[str, Any] = {
        "model.backbone": {"type": "HRNet", "model_name": "hrnet_w18", "interpolate_branches": False},
        "data.inference.auto_padding": {"pad_width_divisor": 32, "pad_height_divisor": 32},
    }
    pytorch_projects.write_pytorch_directory(folder, **changes)
    seeds.append(path.read_bytes())
    return Target(path, lambda: find_source(place).describe(), seeds)


def _checkpoint(folder: Path, ending: str) -> Target:
    prefix = projects.write_checkpoint(folder / "train" / "snapshot-7", TENSORS)
    path = prefix.with_name(f"{prefix.name}{ending}")
    return Target(path, lambda: read_checkpoint(prefix, SHAPES), [path.read_bytes()])


def _graph(folder: Path) -> Target:
    path = projects.write_frozen_graph(folder / "snapshot-7.pb", TENSORS)
    return Target(path, lambda: read_frozen_graph(path, SHAPES), [path.read_bytes()])


def _torch_file(folder: Path) -> Target:
    """Small files, most of which is the pickle: random changes meet it."""
    path = folder / "snapshot-005.pt"
    tensors = {"a.weight": np.ones((2, 3), np.float32), "a.bias": np.zeros(3, np.float16)}
    whole = {"model": tensors, "metadata": {"epoch": 5, "metrics": {"x": 1.5, "y": [1, None, True, (2,)]}}}
    seeds = [torchfile.save(path, content).read_bytes() for content in (whole, tensors)]
    seeds += [(GOLDEN_FILES / f"{name}.pt").read_bytes() for name in ("snapshot", "kinds")]

    def read() -> Any:
        file = read_torch_file(path)
        found = next(iter(file.content.values())) if isinstance(file.content, dict) and file.content else {}
        tensors = found.items() if isinstance(found, dict) else ()
        return [
            file.read(str(name), tensor)
            for name, tensor in tensors
            if isinstance(tensor, TorchTensor) and tensor.storage.kind in FLOATS
        ]

    return Target(path, read, seeds)


def _manifest(folder: Path) -> Target:
    path = folder / "table.json"
    sections: dict[str, Any] = {
        "video": {"fingerprint": "ab", "bad_frames": [1, 2], "frames": {"rows": 3}},
        "model": {"identity": "cd"},
        "settings": {"engine": "openvino", "crop": None},
    }
    whole = json.dumps(new_manifest("complete", "ef", sections)).encode()

    def read() -> Any:
        manifest = read_manifest(path)
        return None if manifest is None else differences(manifest, sections)

    return Target(path, read, [whole])


def _table(folder: Path) -> Target:
    frame = labels.label_frame(labels.dots(3), ["a.png", "b.png", "c.png"])
    path, seeds = folder / "table.h5", []
    for layout in ("table", "fixed"):
        plain = frame.reset_index(drop=True) if layout == "table" else frame
        plain.to_hdf(str(path), key="df_with_missing", format=layout, mode="w")
        seeds.append(path.read_bytes())
    for layout, compressor in (("table", "blosc"), ("fixed", "blosc:zstd"), ("table", "bzip2"), ("table", "blosc2")):
        save_frame(frame.reset_index(drop=True), path, layout, complib=compressor, complevel=5)
        seeds.append(path.read_bytes())
    return Target(path, lambda: read_plain_table(path, LabelError), seeds)


def _label_csv(folder: Path) -> Target:
    frame = labels.label_frame(labels.dots(3), ["a.png", "b.png", "c.png"])
    text = labels.save_labels(frame, folder, layout="csv").read_text(encoding="utf-8")
    seeds = [text.encode(), text.replace(",", ";").replace(".", ",").encode("utf-16")]
    path = folder / "CollectedData_me.csv"
    return Target(path, lambda: read_label_table(path), seeds)


def _box_table(folder: Path) -> Target:
    path = folder / "m1.csv"
    seeds = [
        b"frame,x,y,width,height\n0,1.5,-2,30,40\n2,1,2,3,4\n",
        "height;width;y;x;frame\n9;8;7,5;6;1\n".encode("utf-16"),
    ]
    return Target(path, lambda: read_boxes(path), seeds)


def _video(folder: Path, name: str, *options: str) -> Target:
    path = clips.encode(folder / name, clips.numbered_frames(5, 32, 48), *options)

    def read() -> Any:
        info = probe(path)
        info.timeline.is_variable  # noqa: B018
        if info.width * info.height < 1 << 20:
            return [batch.seconds for batch in VideoReader(info).batches(4)]
        return None

    return Target(path, read, [path.read_bytes()])


TARGETS: dict[str, Callable[[Path], Target]] = {
    "model.yaml": _model,
    "int8.yaml": _int8,
    "weights.safetensors": _weights,
    "config.yaml": _project,
    "pose_cfg.yaml": _pose_cfg,
    "pytorch_config.yaml": _pytorch_config,
    "checkpoint index": lambda folder: _checkpoint(folder, ".index"),
    "checkpoint data": lambda folder: _checkpoint(folder, ".data-00000-of-00001"),
    "frozen graph": _graph,
    "PyTorch file": _torch_file,
    "manifest": _manifest,
    "pose table": _table,
    "label table": _label_csv,
    "box table": _box_table,
    "video mp4": lambda folder: _video(folder, "clip.mp4"),
    "video avi": lambda folder: _video(folder, "clip.avi", "-c:v", "mjpeg"),
    "video mkv": lambda folder: _video(folder, "clip.mkv", "-c:v", "ffv1"),
}


# Changes -------------------------------------------------------------------------------------------------------------


def changed(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """A file with one to eight changes."""
    result = bytearray(content)
    for _ in range(1 << int(random.integers(0, 4))):
        place = int(random.integers(0, len(result) + 1))
        length = min(int(random.integers(1, 64)), len(result) - place)
        kind = int(random.integers(0, 6))
        if kind < 2:
            result[place : place + 1] = random.bytes(1)
        elif kind == 2:
            result[place : place + length] = b"" if random.integers(0, 2) else 2 * result[place : place + length]
        elif kind == 3:
            word = WORDS[int(random.integers(0, len(WORDS)))]
            result[place : place + (len(word) if random.integers(0, 2) else 0)] = word
        elif kind == 4:
            start = int(random.integers(0, len(other) + 1))
            result[place : place + length] = other[start : start + length]
        else:
            _replace_value(result, random)
    return bytes(result if random.integers(0, 20) else result[: int(random.integers(0, len(result) + 1))])


def _replace_value(content: bytearray, random: np.random.Generator) -> None:
    """In text: what stands between a colon and the end of a line becomes another word."""
    colons = [place for place, byte in enumerate(content[:20_000]) if byte == ord(":")]
    if colons:
        start = colons[int(random.integers(0, len(colons)))] + 1
        end = min(
            (place for place in (content.find(b"\n", start), content.find(b",", start)) if place > 0), default=start
        )
        content[start:end] = b" " + WORDS[int(random.integers(0, len(WORDS)))]


# Running -------------------------------------------------------------------------------------------------------------


class Lines:
    """Which lines of posecli ran."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()

    def __call__(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        """Trace calls into posecli's own files only."""
        return self._line if frame.f_code.co_filename.startswith(SOURCE) else None

    def _line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


def fuzz(name: str, seconds: float, seed: int, folder: Path, keep: Path | None = None) -> Report:
    """Change a target's file for so many seconds, `FEWEST` times at least; what is found is kept in a folder."""
    target = TARGETS[name](folder)
    random = np.random.default_rng(seed)
    corpus = list(target.seeds)
    report, lines = Report(name), Lines()
    NOTES.addHandler(logging.NullHandler())
    begin = time.monotonic()
    for content in corpus:
        _execute(target, content, lines, report)
    while time.monotonic() - begin < seconds or report.executions < len(target.seeds) + FEWEST:
        first, second = random.integers(0, len(corpus), 2)
        content = changed(corpus[first], corpus[second], random)
        reached, found = len(lines.seen), len(report.findings)
        _execute(target, content, lines, report)
        if len(lines.seen) > reached:
            corpus.append(content)
        if keep is not None and len(report.findings) > found:
            (keep / f"{name}-{seed}-{found}").write_bytes(content)
    report.seconds, report.lines, report.corpus = time.monotonic() - begin, len(lines.seen), len(corpus)
    return report


def _execute(target: Target, content: bytes, lines: Lines, report: Report) -> None:
    target.path.write_bytes(content)
    before, start = _peak(), time.monotonic()
    report.executions += 1
    sys.settrace(lines)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            target.read()
    except PoseCliError as error:
        report.refused += 1
        if "\n" in str(error) or len(str(error)) > 1500:
            _find(report, f"a message of several lines, or too long: {str(error)[:200]!r}")
    except Exception as error:
        _find(report, f"{type(error).__name__} at {_place(error)}: {str(error)[:120]}")
    finally:
        sys.settrace(None)
    if time.monotonic() - start > PATIENCE:
        _find(report, f"more than {PATIENCE:g} s")
    if _peak() - before > MOST_MEMORY:
        _find(report, f"more than {MOST_MEMORY} bytes of memory")


def _find(report: Report, words: str) -> None:
    if words.partition(":")[0] not in {known.partition(":")[0] for known in report.findings}:
        report.findings.append(words)


def _place(error: BaseException) -> str:
    """The deepest line of posecli on the way to an error."""
    place, trace = "?", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(SOURCE):
            place = f"{Path(trace.tb_frame.f_code.co_filename).name} {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fuzz_apart(name: str, seconds: float, seed: int, keep: Path) -> Report:
    """`fuzz` in a process of its own, whose death or silence is a finding, with the file that did it kept."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-X", "faulthandler", __file__, name, str(seconds), str(seed), folder, str(keep)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 90)
            words, ended = done.stdout, f"the process ended with {done.returncode}: {done.stderr[-300:]!r}"
        except subprocess.TimeoutExpired:
            words, ended = "", "the process hangs"
        if words.strip():
            return Report(**json.loads(words.splitlines()[-1]))
        for path in Path(folder).rglob("*"):
            if path.is_file():
                (keep / f"{name}-{seed}-died-{path.name}").write_bytes(path.read_bytes())
        return Report(name, executions=1, seconds=seconds, findings=[ended])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for argument, kind in (("target", str), ("seconds", float), ("seed", int), ("folder", Path), ("keep", Path)):
        parser.add_argument(argument, type=kind)
    given = parser.parse_args()
    print(json.dumps(asdict(fuzz(given.target, given.seconds, given.seed, given.folder, given.keep))))
