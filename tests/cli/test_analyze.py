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
from support.fake_engine import FakeEngine

from posecli import __version__
from posecli.analysis.journal import JournalContent, read_journal
from posecli.cli import cli
from posecli.cli.base import stop_signals
from posecli.errors import StopRequest
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
    assert result.stderr.splitlines()[0] == f"posecli {__version__}: 1 video, model {dots_model.description.scorer}"
    left_out, first, last, seen, stages = result.stdout.splitlines()
    assert left_out.startswith("no windows are tried: that takes as long as ")
    scorer = dots_model.description.scorer
    assert f"model {scorer} (resnet_50, 3 body parts), engine fake 0 on CPU (1 threads), fp32, batch 64" in first
    assert last.startswith("dots.mp4: done, 50 frames in ")
    assert last.endswith(f"fps: {tmp_path / 'poses' / f'dots{scorer}.h5'}")
    assert seen == "  seen (likelihood 0.6 or more): red 92 %, green 94 %, blue 100 %"
    assert re.fullmatch(r"  limited by the \w+: \d+ % busy", stages)
    assert "alone" in posecli(*base, "--overwrite", "--verbose").stdout.splitlines()[-1]
    assert "POSECLI_VERBOSE" not in os.environ


@pytest.mark.parametrize("flag", ["-b", "--batchsize", "--batch-size"])
def test_spellings_of_the_batch_size(base: list[object], flag: str) -> None:
    assert "batch 5," in posecli(*base, flag, 5).stdout


@pytest.mark.usefixtures("quick_trials")
def test_batch_size_by_measurement(base: list[object]) -> None:
    result = posecli(*base, "--batchsize", "auto")
    assert result.exit_code == 0, result.output
    _, measured, first, *_ = result.stdout.splitlines()
    assert re.fullmatch(r"batch size: (\d+) \(1 at .* fps, 4 at .* fps.*\)", measured)
    assert f"batch {measured.split()[2]}, network input" in first


@pytest.mark.usefixtures("quick_trials")
def test_batch_size_by_measurement_from_a_file(base: list[object], tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("batchsize: auto\n")
    assert "\nbatch size: " in posecli(*base, "--config", config).stdout


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
        "error": f"model '{tmp_path / 'no-model'}' does not exist: check the path, or give 'built-in'",
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
        (["--shard", "3/2"], 2, "shard 3/2 does not exist"),
        (["--shard", "half"], 2, "shard 'half' is not i/n"),
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
    monkeypatch.setattr("posecli.model.folder.BUILTIN_FOLDER", dots_model.path)
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
    first, error = result.stderr.strip().splitlines()
    assert (first[:8], error[:7]) == ("posecli ", "Error: ")
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
            ("batchsize: !!python/object/apply:os.system [echo]\n", "has the tag '!!python/object/apply:os.system'"),
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
    assert f"folder '{locked}' cannot be written to: choose another for the results with --out-dir" in done.stderr
    assert "Traceback" not in done.stderr


def _drop_override_of_permissions() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    bounding_set_drop, override, read_search = 24, 1, 2
    for capability in (override, read_search):
        assert libc.prctl(bounding_set_drop, capability, 0, 0, 0) == 0


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    return clips.encode(tmp_path / "long.mp4", clips.numbered_frames(2000))


def started(*arguments: object, out_dir: Path) -> subprocess.Popen[str]:
    """An analysis that has made rows."""
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not any((read_journal(path) or NOTHING).rows for path in out_dir.glob("*.rows.partial")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


NOTHING = JournalContent({}, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "Interrupted"),
        (signal.SIGTERM, 75, "Stopped by SIGTERM: finished work is kept, and the same command continues."),
        (signal.SIGUSR1, 75, "Stopped by SIGUSR1"),
    ],
)
def test_stopped_from_outside(
    number: signal.Signals, code: int, words: str, long_clip: Path, dots_model: ModelFolder, tmp_path: Path
) -> None:
    arguments = ["analyze", long_clip, "-m", dots_model.path, "-o", tmp_path / "poses", "-b", 1]
    process = started(*arguments, out_dir=tmp_path / "poses")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert words in errors
    assert "Traceback" not in errors
    assert [path.name.partition(".")[2] for path in (tmp_path / "poses").iterdir()] == ["rows.partial"]
    planned = run_process(*arguments, "--dry-run")
    assert re.match(r"resume at frame \d+ ", planned.stdout), planned
    again = run_process(*arguments)
    assert again.returncode == 0, again.stderr
    assert re.search(r"continuing at frame \d+ of 2000", again.stdout)
    assert "done (from frame " in again.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_first_signal_is_raised_and_others_are_not(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    after = []

    def stopped_twice() -> None:
        with stop_signals():
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                after.append("alive")

    with pytest.raises(StopRequest, match=number.name):
        stopped_twice()
    assert after == ["alive"]
    assert signal.getsignal(number) is before


@pytest.mark.slow
def test_two_processes_share_a_folder(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    """Each video is analysed once; whoever comes second goes on to the next."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for number in range(8):
        (videos / f"m{number}.mp4").write_bytes(dots_clip.read_bytes())
    arguments = ["analyze", videos, "-m", dots_model.path, "--json", "-b", 1]
    processes = [
        subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    states: dict[str, list[str]] = {}
    for process in processes:
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        for result in json.loads(stdout)["results"]:
            states.setdefault(result["video"], []).append(result["state"])
    assert len(states) == 8
    for both in states.values():
        assert both.count("done") == 1, states
        assert set(both) <= {"done", "busy", "skipped"}
    assert len(list(videos.glob("*.h5"))) == 8
    assert not list(videos.glob("*.partial"))
    assert not list(videos.glob("*.lock"))


class TestManyVideos:
    @pytest.fixture
    def folder(self, dots_clip: Path, tmp_path: Path) -> Path:
        folder = tmp_path / "videos"
        folder.mkdir()
        for name in ("m1.mp4", "m2.MP4"):
            (folder / name).write_bytes(dots_clip.read_bytes())
        (folder / "m3.mp4").write_text("no video")
        return folder

    def test_closing_table(self, folder: Path, dots_model: ModelFolder, fake_engine: object) -> None:
        result = posecli("analyze", folder, "-m", dots_model.path)
        assert result.exit_code == 3
        head, failed = result.stdout.splitlines()[-2:]
        assert head == "3 videos: 2 done, 1 failed"
        assert failed.startswith(f"failed  {folder / 'm3.mp4'}  '{folder / 'm3.mp4'}' cannot be read as a video")
        again = posecli("analyze", f"{folder}/m[12].*", "-m", dots_model.path)
        assert again.stdout.splitlines()[-1] == "2 videos: 2 skipped"

    def test_json(self, folder: Path, dots_model: ModelFolder, fake_engine: object) -> None:
        report = json.loads(posecli("analyze", folder, "-m", dots_model.path, "--json").stdout)
        assert report["counts"] == {"done": 2, "failed": 1}
        assert [result["exit_code"] for result in report["results"]] == [0, 0, 3]

    def test_what_is_passed_over_is_said(self, folder: Path, dots_model: ModelFolder, fake_engine: object) -> None:
        for name in ("m1DLC_x_labeled.mp4", "._m1.mp4", "notes.txt", "m4.XYZ"):
            (folder / name).touch()
        line = (
            "passed over: 1 labelled video (m1DLC_x_labeled.mp4), 1 hidden file (._m1.mp4), "
            "2 files that do not end as videos (1 .txt, 1 .xyz)"
        )
        for more in ([], ["--dry-run"]):
            result = posecli("analyze", folder, "-m", dots_model.path, *more)
            assert result.stdout.splitlines().count(line) == 1
            assert line not in posecli("analyze", folder, "-m", dots_model.path, *more, "-q").output
            result = posecli("analyze", folder, "-m", dots_model.path, *more, "--json")
            assert line in result.stderr
            assert json.loads(result.stdout)["passed_over"]["endings"] == {".txt": 1, ".xyz": 1}

    def test_dry_run(self, folder: Path, dots_model: ModelFolder, fake_engine: type[FakeEngine]) -> None:
        posecli("analyze", folder / "m1.mp4", "-m", dots_model.path)
        fake_engine.calls.clear()
        before = sorted(folder.iterdir())
        result = posecli("analyze", folder, "-m", dots_model.path, "--dry-run")
        lines = result.stdout.splitlines()
        assert [line.split()[0] for line in lines[:3]] == ["skip", "analyse", "refuse"]
        assert "50 frames, network input 160x120 px" in lines[1]
        assert lines[3:6] == ["precision: fp32", "scale: 1", "windows: none"]
        assert lines[6].startswith("no windows are tried: ")
        assert re.fullmatch(r"expected in fp32, whole frames: about \d+ s", lines[7])
        assert len(lines) == 8
        assert result.exit_code == 3
        assert [shape[0] for shape in fake_engine.calls] == [1], "one pass, and no frame of a video"
        assert sorted(folder.iterdir()) == before
        content = json.loads(posecli("analyze", folder, "-m", dots_model.path, "--dry-run", "--json").stdout)
        assert [decision["action"] for decision in content["decisions"]] == ["skip", "analyse", "refuse"]
        assert (content["plan"]["items"], content["plan"]["precision"]) == (50, "fp32")

    def test_shard_of_a_slurm_array(
        self, folder: Path, dots_model: ModelFolder, fake_engine: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arguments = ["analyze", folder, "-m", dots_model.path, "--shard", "slurm", "--json"]
        outside = posecli(*arguments)
        assert outside.exit_code == 2
        assert "is for SLURM job arrays" in outside.stderr
        for name, value in (("ID", 7), ("MIN", 5), ("MAX", 9), ("STEP", 2), ("COUNT", 3)):
            monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
        report = json.loads(posecli(*arguments).stdout)
        assert [Path(result["video"]).name for result in report["results"]] == ["m2.MP4"]

    def test_empty_shard(self, folder: Path, dots_model: ModelFolder, fake_engine: object) -> None:
        result = posecli("analyze", folder, "-m", dots_model.path, "--shard", "4/4")
        assert (result.exit_code, result.stdout) == (0, "no videos in this shard\n")


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
