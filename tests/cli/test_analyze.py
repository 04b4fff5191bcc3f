"""``posecli analyze`` as a user types it: output, exit codes, configuration, odd paths, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import make_dots_model
from support import clips

from posecli.cli import cli
from posecli.model.folder import ModelFolder

RUNNER = Path(__file__).resolve().parents[1] / "support" / "run_with_fake_engine.py"


def posecli(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def base(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path, fake_engine: object) -> list[object]:
    return ["analyze", dots_clip, "-m", dots_model.path, "-o", tmp_path / "poses"]


def test_first_and_last_line(base: list[object], tmp_path: Path, dots_model: ModelFolder) -> None:
    result = posecli(*base, "--batchsize", 64)
    assert result.exit_code == 0, result.output
    first, last, stages = result.stdout.splitlines()
    scorer = dots_model.description.scorer
    assert f"model {scorer} (resnet_50, 3 body parts), engine fake 0 on CPU (1 threads), fp32, batch 64" in first
    assert last.startswith("dots.mp4: done, 50 frames in ")
    assert last.endswith(f"fps: {tmp_path / 'poses' / f'dots{scorer}.h5'}")
    assert stages.startswith("  limited by the ")


@pytest.mark.parametrize("flag", ["-b", "--batchsize", "--batch-size"])
def test_spellings_of_the_batch_size(base: list[object], flag: str) -> None:
    assert "batch 5," in posecli(*base, flag, 5).stdout


def test_batch_size_by_measurement(base: list[object]) -> None:
    result = posecli(*base, "--batchsize", "auto")
    assert result.exit_code == 0, result.output
    measured, first, *_ = result.stdout.splitlines()
    assert re.fullmatch(r"batch size: (\d+) \(1 at .* fps, 4 at .* fps.*\)", measured)
    assert f"batch {measured.split()[2]}, network input" in first


def test_batch_size_by_measurement_from_a_file(base: list[object], tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("batchsize: auto\n")
    assert posecli(*base, "--config", config).stdout.startswith("batch size: ")


def test_json_is_all_there_is_on_standard_output(base: list[object]) -> None:
    result = posecli(*base, "--json")
    report = json.loads(result.stdout)
    assert report["exit_code"] == 0
    assert report["results"][0]["state"] == "done"
    assert report["results"][0]["frames"] == 50
    assert "engine fake" in result.stderr


def test_json_of_an_error(base: list[object], tmp_path: Path) -> None:
    base[3] = tmp_path / "no-model"
    result = posecli(*base, "--json")
    assert json.loads(result.stdout) == {
        "error": f"model '{tmp_path / 'no-model'}' does not exist: check the path",
        "exit_code": 5,
    }
    assert result.exit_code == 5


def test_quiet_says_nothing(base: list[object]) -> None:
    result = posecli(*base, "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_second_run_is_skipped_and_says_so(base: list[object]) -> None:
    posecli(*base)
    result = posecli(*base)
    assert result.exit_code == 0
    assert "dots.mp4: skipped, made before with the same video, model and settings" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--batchsize", "0"], 2, "batch size 0 is too small"),
        (
            ["--batchsize", "few"],
            2,
            "'-b' / '--batchsize' / '--batch-size': 'few' is neither a whole number nor 'auto'",
        ),
        (["--pipeline", "tf-sync"], 2, "'tf-sync' is for the tensorflow engine, not for openvino: pass --engine"),
        (["--crop", "0,161,0,120"], 2, "leaves the frame of 160x120 px"),
        (["--crop", "1,2,3"], 2, "not four whole numbers"),
        (["--scale", "0"], 2, "scale 0.0 is out of range"),
        (["--decoder", "magic"], 2, "'magic' is not one of 'numpy', 'double-loop', 'standard'"),
        (["--wrong-flag"], 2, "No such option"),
        (["--quiet", "--verbose"], 2, "exclude each other"),
        (["--shuffle", "2"], 5, "holds one network"),
        (["--config", "nothing.yaml"], 2, "'nothing.yaml' does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options(base: list[object], arguments: list[str], code: int, words: str) -> None:
    result = posecli(*base, *arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_without_a_model_the_built_in_one_is_used_and_said_so(
    dots_clip: Path, tmp_path: Path, dots_model: ModelFolder, fake_engine: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posecli.model.builtin.BUILTIN_FOLDER", dots_model.path)
    result = posecli("analyze", dots_clip, "--out-dir", tmp_path)
    assert result.exit_code == 0, result.output
    assert "using the built-in network" in result.stdout
    assert (tmp_path / f"dots{dots_model.description.scorer}.h5").is_file()


@pytest.mark.parametrize(
    ("content", "words"), [(None, "does not exist"), (b"a text file", "cannot be read as a video"), (b"", "cannot be")]
)
def test_broken_videos(
    dots_model: ModelFolder, tmp_path: Path, fake_engine: object, content: bytes | None, words: str
) -> None:
    video = tmp_path / "broken.mp4"
    if content is not None:
        video.write_bytes(content)
    result = posecli("analyze", video, "-m", dots_model.path, "-o", tmp_path / "poses")
    assert result.exit_code == 3
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("poses/*"))


def test_output_folder_that_cannot_be_made(base: list[object], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    base[5] = tmp_path / "file" / "poses"
    result = posecli(*base)
    assert result.exit_code == 7
    assert f"folder '{tmp_path / 'file' / 'poses'}' cannot be made" in result.stderr


def test_model_with_a_tensor_missing(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    save_file(
        {"resnet_v1_50/conv1/weights": np.zeros((7, 7, 3, 64), np.float32)}, dots_model.path / "weights.safetensors"
    )
    result = posecli("analyze", dots_clip, "-m", dots_model.path, "-o", tmp_path / "poses")
    assert result.exit_code == 5
    assert "lacks tensor 'resnet_v1_50/conv1/BatchNorm/gamma'" in result.stderr
    assert "Traceback" not in result.output
    assert not list((tmp_path / "poses").iterdir())


class TestConfig:
    def write(self, folder: Path, text: str) -> Path:
        path = folder / "my settings.yaml"
        path.write_text(text)
        return path

    def test_options_come_from_the_file_and_flags_override(self, base: list[object], tmp_path: Path) -> None:
        config = self.write(tmp_path, "batchsize: 5\nscale: 2\ncsv: true\n")
        result = posecli(*base, "--config", config, "--scale", 1)
        assert "batch 5, network input 160x120 px" in result.stdout
        assert list(tmp_path.glob("poses/*.csv"))

    def test_lists_stand_for_commas_and_underscores_for_dashes(self, base: list[object], tmp_path: Path) -> None:
        config = self.write(tmp_path, "crop: [0, 144, 0, 120]\nbatch_size: 3\nnum_outputs: 2\n")
        assert "batch 3, network input 144x120 px" in posecli(*base, "--config", config).stdout

    def test_model_may_stand_in_the_file(
        self, dots_clip: Path, dots_model: ModelFolder, tmp_path: Path, fake_engine: object
    ) -> None:
        config = self.write(tmp_path, f"model: {dots_model.path}\nout-dir: {tmp_path / 'poses'}\n")
        assert posecli("analyze", dots_clip, "--config", config).exit_code == 0

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("batchsice: 5\n", "has an unknown key 'batchsice': 'analyze' knows allow-short, batch-size"),
            ("crop: {x1: 5}\n", "gives a mapping for 'crop'"),
            ("- 5\n", "holds no settings"),
            ("a: [\n", "is not plain YAML at line"),
            ("batchsize: !!python/object/apply:os.system [echo]\n", "is not plain YAML"),
            ("batchsize: many\n", "'many' is neither a whole number nor 'auto'"),
        ],
    )
    def test_wrong_files(self, base: list[object], tmp_path: Path, text: str, words: str) -> None:
        result = posecli(*base, "--config", self.write(tmp_path, text))
        assert result.exit_code == 2
        assert words in result.stderr


@pytest.mark.parametrize("name", ["two words.mp4", "mäuse ♀.mp4", "it's 100% done.mp4", "a.b.c.mp4", "-dash.mp4"])
def test_odd_names(name: str, dots_clip: Path, tmp_path: Path, fake_engine: object) -> None:
    folder = tmp_path / "odd 'folder' #1"
    model = make_dots_model(folder / "model ü")
    video = folder / name
    video.write_bytes(dots_clip.read_bytes())
    result = posecli("analyze", "-m", model.path, "--", video)
    assert result.exit_code == 0, result.output
    assert (folder / f"{video.stem}{model.description.scorer}.h5").is_file()


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(RUNNER), *map(str, arguments)]


def run_process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=120, **options)


@pytest.mark.slow
def test_read_only_output_folder(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        # Permissions do not bind the superuser: take the rights away that would override them.
        options["preexec_fn"] = _drop_override_of_permissions
    done = run_process("analyze", dots_clip, "-m", dots_model.path, "-o", locked, **options)
    assert done.returncode == 7, done.stderr
    assert "cannot be written (Permission denied): choose another folder with --out-dir" in done.stderr
    assert "Traceback" not in done.stderr


def _drop_override_of_permissions() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    bounding_set_drop, override, read_search = 24, 1, 2
    for capability in (override, read_search):
        assert libc.prctl(bounding_set_drop, capability, 0, 0, 0) == 0


@pytest.mark.slow
def test_ctrl_c_ends_in_one_line_and_130(dots_model: ModelFolder, tmp_path: Path) -> None:
    video = clips.encode(tmp_path / "long.mp4", clips.numbered_frames(3000))
    arguments = command("analyze", video, "-m", dots_model.path, "-o", tmp_path / "poses", "-b", 1)
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("poses/*.partial")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("poses/*.h5"))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_the_video(dots_model: ModelFolder, tmp_path: Path) -> None:
    short = clips.encode(tmp_path / "short.mp4", clips.numbered_frames(2000, 48, 64))
    playlist = tmp_path / "list.txt"
    playlist.write_text(f"file '{short}'\n" * 10)
    long = tmp_path / "long.mp4"
    clips.ffmpeg("-f", "concat", "-safe", "0", "-i", playlist, "-c", "copy", long)
    peaks = {}
    for video, rows in ((short, 2000), (long, 20_000)):
        done = run_process("analyze", video, "-m", dots_model.path, "--json", env=os.environ | {"REPORT_PEAK": "1"})
        assert json.loads(done.stdout)["results"][0]["frames"] == rows
        peaks[rows] = int(done.stderr.rpartition("PEAK ")[2]) / 1024
    # 18,000 more rows of 9 float64 would be 1.3 MiB, and their frames 158 MiB.
    assert peaks[20_000] - peaks[2000] < 10, peaks
