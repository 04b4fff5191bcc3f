"""``posecli benchmark``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.benchmark_worker import answer
from support.fake_clip_engine import make_fake_clip_model

from posecli.cli import cli
from posecli.cli.benchmark import benchmark_options
from posecli.errors import UsageError
from posecli.model.folder import ModelFolder
from posecli.studies.benchmark import runner
from posecli.studies.benchmark.options import BenchmarkOptions, SharedOptions

pytestmark = pytest.mark.usefixtures("blank_figures")

#: The real command with a worker that answers at once. A shell's background job ignores Ctrl-C, and so would this.
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[1])!r})\n"
    "from support.benchmark_worker import answer\nfrom posecli.studies.benchmark import runner\n"
    "from posecli.cli import main\nrunner.ask = answer\nmain()"
)
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.fixture(autouse=True)
def quick_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ask", answer)


@pytest.fixture
def small(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> list[object]:
    settings = ["--sizes", "80", "--batchsizes", "1,8", "--repeats", 1, "--frames", 16, "--cores", 1]
    return [*settings, "--video", dots_clip, "--model", dots_model.path, "--out", tmp_path / "out"]


def benchmark(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["benchmark", *map(str, arguments)])


def test_report_and_advice(small: list[object], tmp_path: Path) -> None:
    result = benchmark(*small)
    assert result.exit_code == 0, result.output
    assert "conditions, 1 repeat each" in result.stderr
    assert "about" in result.stderr
    assert "left] dots 80 px, 1 core, openvino fp32" in result.stderr
    assert "dots at 80 px: posecli analyze" in result.stdout
    for name in (
        "design.json",
        "rows.jsonl",
        "results.csv",
        "results.json",
        "timelines.json",
        "report.html",
        "figures",
    ):
        assert (tmp_path / "out" / name).exists()
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_json(small: list[object], tmp_path: Path) -> None:
    content = json.loads(benchmark(*small, "--json", "--quiet").stdout)
    assert content["complete"]
    assert content["report"] == str(tmp_path / "out" / "report.html")
    assert "rows" not in content


def test_again_is_continued_and_does_nothing(small: list[object]) -> None:
    benchmark(*small)
    result = benchmark(*small)
    assert result.exit_code == 0
    assert "continuing the benchmark" in result.stderr
    assert "left] dots" not in result.stderr


def test_dry_run(small: list[object], tmp_path: Path) -> None:
    result = benchmark(*small, "--dry-run")
    assert result.exit_code == 0
    assert "conditions, 1 repeat each" in result.stdout
    assert not (tmp_path / "out" / "rows.jsonl").exists()


def test_failed_conditions_are_told(small: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_FAULTS", json.dumps({"8-async": "error"}))
    result = benchmark(*small)
    assert result.exit_code == 0
    assert "failed: the abacus is broken" in result.stderr
    assert "failed: dots-w80-c1-openvino-fp32-b8-numpy-async: the abacus is broken" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--sizes", "80,81"), 2, "size 81 is not a valid frame width"),
        (("--sizes", "wide"), 2, "sizes 'wide' are not whole numbers"),
        (("--batchsizes", "0"), 2, "batch size 0 is too small"),
        (("--engines", "abacus"), 2, "engines 'abacus' is not known"),
        (("--pipelines", "tf-sync"), 2, "add tensorflow to --engines"),
        (("--video", "nowhere.mp4"), 3, "nowhere.mp4"),
        (("--model", "nowhere"), 5, "nowhere"),
        (("--cores", "4096"), 6, "cores 4096 are not there"),
        (("--price", "gold"), 2, "price 'gold' is not known"),
        (("--quiet", "--verbose"), 2, "exclude each other"),
    ],
)
def test_wrong_arguments_end_in_one_line(
    small: list[object], arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = benchmark(*small, *arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("Error")]) == 1
    assert "Traceback" not in result.output


def test_another_benchmark_in_the_folder(small: list[object]) -> None:
    benchmark(*small)
    result = benchmark(*small, "--seed", 7)
    assert result.exit_code == 8
    assert "seed was 2018, not 7" in result.stderr
    assert benchmark(*small, "--seed", 7, "--overwrite").exit_code == 0


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("benchmark-*.yaml")), ids=lambda path: path.name)
def test_shipped_configurations_are_designs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SharedOptions] = []

    def look(options: SharedOptions, *_: object, **__: object) -> None:
        seen.append(options)
        raise UsageError("looked at")

    monkeypatch.setattr(runner, "run_benchmark", look)
    assert "looked at" in benchmark("--config", path).stderr
    assert seen[0].repeats in (2, 3, 5)
    assert seen[0].network == ("i3d" if "i3d" in path.name else "pose")


def test_networks_for_behaviours(dots_clip: Path, tmp_path: Path) -> None:
    model = make_fake_clip_model(tmp_path / "model")
    settings = ["--network", "i3d", "--sizes", "64,160x120", "--lengths", 10, "--strides", 10, "--frames", 50]
    settings += ["--repeats", 1, "--cores", 1, "--video", dots_clip, "--model", model.path, "--out", tmp_path / "out"]
    result = benchmark(*settings)
    assert result.exit_code == 0, result.output
    assert "left] dots 64x64 px, chunks of 10 every 10, 1 core, openvino fp32, batch 1, sync" in result.stderr
    assert "dots at 160x120 px, chunks of 10 every 10: posecli classify" in result.stdout
    assert "USD for 2,880 h" in result.stdout
    content = json.loads(benchmark(*settings, "--json", "--quiet").stdout)
    assert {(row["width"], row["height"]) for row in content["costs"]} == {(64, 64), (160, 120)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lengths", "64"), "--lengths '64' does not go with --network pose"),
        (("--network", "i3d", "--decoders", "numpy"), "--decoders 'numpy' does not go with --network i3d"),
        (("--network", "i3d", "--sizes", "wide"), "input size 'wide' is not a size"),
        (("--network", "i3d", "--sizes", "16"), "input size 16x16 is out of range"),
        (("--network", "i3d", "--lengths", "8"), "chunk length 8 is too small"),
    ],
)
def test_options_of_the_other_network(arguments: tuple[str, ...], words: str) -> None:
    result = benchmark(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_several_videos_from_a_file(small: list[object], dots_clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other dots.mp4"
    other.write_bytes(dots_clip.read_bytes())
    config = tmp_path / "benchmark.yaml"
    config.write_text(f"video: ['{dots_clip}', '{other}']\n")
    flags = [value for value in small if value not in ("--video", dots_clip)]
    result = benchmark(*flags, "--config", config, "--dry-run")
    assert result.exit_code == 0, result.output
    design = json.loads((tmp_path / "out" / "design.json").read_text())
    assert [item["name"] for item in design["data"]] == ["dots", "other dots"]


def test_options_of_flags() -> None:
    flags = {"sizes": "80, 160", "batch_sizes": "1", "cores": "2", "decoders": "numpy, standard", "pipelines": "sync"}
    flags |= {"engines": "openvino", "precisions": "", "network": "pose"}
    same = {"repeats": 2, "frames": None, "seconds": 1.0, "longest": None, "per_process": None, "videos": ()}
    options = benchmark_options({**flags, **same, "model": None, "design": "full", "seed": 3})
    assert isinstance(options, BenchmarkOptions)
    assert options.sizes == (80, 160)
    assert options.decoders == ("numpy", "standard")
    assert options.precisions is None


@pytest.mark.slow
def test_killed_in_the_middle_and_started_again(small: list[object], tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "benchmark", *map(str, small), "--repeats", "3"]
    rows = tmp_path / "out" / "rows.jsonl"
    slow = os.environ | {"BENCHMARK_FAULTS": json.dumps({"dots": "slow"})}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=slow)
    deadline = time.monotonic() + 120
    while not (rows.exists() and rows.read_bytes().count(b"\n") >= 2):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = rows.read_bytes().splitlines()
    design = (tmp_path / "out" / "design.json").read_bytes()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "continuing the benchmark" in done.stderr
    assert rows.read_bytes().splitlines()[: len(kept)] == kept
    assert (tmp_path / "out" / "design.json").read_bytes() == design
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert content["complete"]
    assert all(item["repeats"] == 3 for item in content["conditions"])


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_measured(small: list[object], tmp_path: Path) -> None:
    environment = os.environ | {"BENCHMARK_FAULTS": json.dumps({"8-async": "hang"})}
    command = [sys.executable, "-c", PROGRAM, "benchmark", *map(str, small)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        rows = tmp_path / "out" / "rows.jsonl"
        while not rows.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, errors
    assert "Interrupted: what was measured is kept" in errors
    assert "Traceback" not in errors
