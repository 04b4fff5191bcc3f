"""A decoder that ends the process costs one video, and not the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from conftest import make_dots_model
from support import clips

from posecli.analysis.executors.watched import tell
from posecli.analysis.journal import read_journal
from posecli.errors import StopRequest
from posecli.model.folder import ModelFolder
from posecli.tables.pose_table import read_pose_table

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs are watched on Linux only")

RUNNER = Path(__file__).resolve().parents[1] / "support" / "run_with_crashes.py"
SEGV = int(signal.SIGSEGV)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.encode(tmp_path_factory.mktemp("clip") / "m.mp4", clips.numbered_frames(20))


@pytest.fixture
def folder(clip: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("m1.mp4", "m2.mp4", "m3.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    return folder


@pytest.fixture
def model(tmp_path: Path) -> ModelFolder:
    return make_dots_model(tmp_path / "model")


def command(folder: Path, model: ModelFolder, plan: dict[str, Any], *flags: str) -> list[str]:
    plan = plan | {"log": str(folder.parent / "log")}
    return [sys.executable, str(RUNNER), json.dumps(plan), "analyze", str(folder), "-m", str(model.path), *flags]


def run(folder: Path, model: ModelFolder, plan: dict[str, Any], *flags: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(folder, model, plan, *flags), capture_output=True, text=True, check=False, timeout=120
    )
    assert "Traceback" not in done.stderr
    return done


def log(folder: Path) -> list[str]:
    return [line.partition(" ")[2] for line in (folder.parent / "log").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "precision"),
    [
        ("frames", "auto"),
        pytest.param("frames", "fp32", marks=pytest.mark.slow),
        pytest.param("probe", "fp32", marks=pytest.mark.slow),
        pytest.param("probe", "auto", marks=pytest.mark.slow),
    ],
)
def test_crash_loses_one_video(step: str, precision: str, folder: Path, model: ModelFolder) -> None:
    """While its frames are read, for the parity gate, or when it is opened."""
    done = run(folder, model, {step: {"m2.mp4": SEGV}}, "--precision", precision, "--json")
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert [result["state"] for result in report["results"]] == ["done", "failed", "done"]
    assert (report["exit_code"], report["counts"]) == (3, {"done": 2, "failed": 1})
    message = (
        f"the process that read '{folder / 'm2.mp4'}' died by SIGSEGV, and the video is left out: repair it or encode "
        "it again"
    )
    assert report["results"][1]["message"] == message
    assert done.stderr.count(f"Error: {message}\n") == 1
    assert log(folder).count(f"crash {step} m2.mp4") == 1
    tables = sorted(folder.glob("*.h5"))
    assert [table.name[:2] for table in tables] == ["m1", "m3"]
    assert read_pose_table(tables[0]).to_numpy().tobytes() == read_pose_table(tables[1]).to_numpy().tobytes()


@pytest.mark.slow
def test_words_and_the_next_command(folder: Path, model: ModelFolder) -> None:
    plan = {"frames": {"m2.mp4": SEGV}}
    done = run(folder, model, plan)
    assert done.stdout.splitlines()[-2] == "3 videos: 2 done, 1 failed"
    assert done.stdout.count("m1.mp4: done") == done.stdout.count("m3.mp4: done") == 1
    again = run(folder, model, plan)
    assert again.stdout.splitlines()[-2] == "3 videos: 2 skipped, 1 failed"
    assert run(folder, model, {}).stdout.splitlines()[-1] == "3 videos: 1 done, 2 skipped"


@pytest.mark.slow
def test_every_video_crashes(folder: Path, model: ModelFolder) -> None:
    done = run(folder, model, {"frames": {f"m{number}.mp4": int(signal.SIGABRT) for number in (1, 2, 3)}}, "--json")
    assert json.loads(done.stdout)["counts"] == {"failed": 3}
    assert done.stderr.count("Error: the process that read ") == done.stderr.count("died by SIGABRT") / 2 == 3


@pytest.mark.slow
def test_what_was_settled_holds(folder: Path, model: ModelFolder) -> None:
    """Nothing is measured again after a crash."""
    for number in (4, 5, 6):
        (folder / f"m{number}.mp4").write_bytes((folder / "m1.mp4").read_bytes())
    # Of six the gate looks at the 1st, 3rd, 4th and 6th; the 2nd crashes when its turn comes.
    done = run(folder, model, {"frames": {"m2.mp4": SEGV}}, "--batchsize", "auto", "--json")
    assert json.loads(done.stdout)["counts"] == {"done": 5, "failed": 1}
    assert log(folder) == ["precision", "batch", "crash frames m2.mp4"]
    manifests = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    assert [manifest["settings"]["precision"] for manifest in manifests] == ["bf16"] * 5
    assert manifests[0]["parity_gate"] == manifests[-1]["parity_gate"] != []
    assert manifests[0]["batch_trials"] == manifests[-1]["batch_trials"] != []
    assert manifests[0]["run"]["batch_size"] == manifests[-1]["run"]["batch_size"]


@pytest.mark.slow
def test_dry_run(folder: Path, model: ModelFolder) -> None:
    done = run(folder, model, {"probe": {"m2.mp4": SEGV}}, "--dry-run")
    assert done.returncode == 3, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["analyse", "refuse", "analyse"]
    assert lines[-1].startswith("expected in ")


@pytest.mark.slow
def test_killed_for_want_of_memory(folder: Path, model: ModelFolder) -> None:
    """Nothing says that the video is at fault."""
    done = run(folder, model, {"frames": {"m2.mp4": int(signal.SIGKILL)}}, "--json")
    assert done.returncode == 75, done.stderr
    assert "Stopped by SIGKILL" in json.loads(done.stdout)["error"]
    assert run(folder, model, {}).returncode == 0


@pytest.mark.slow
def test_crash_without_a_video(folder: Path, model: ModelFolder) -> None:
    """The network of the parity gate: no video is blamed, and there is no second try."""
    done = run(folder, model, {"network": int(signal.SIGILL)})
    assert done.returncode == 6
    assert "died by SIGILL while no video was being read: run 'posecli doctor'" in done.stderr
    assert log(folder) == ["precision"]


@pytest.mark.slow
def test_usage_error_of_a_worker(folder: Path, model: ModelFolder) -> None:
    done = run(folder, model, {}, "--pipeline", "tf-sync")
    assert done.returncode == 2
    assert done.stderr.count("Error") == 1


def started(folder: Path, model: ModelFolder) -> tuple[subprocess.Popen[str], int]:
    """A slow run that has made rows, and the number of its worker's process."""
    process = subprocess.Popen(
        command(folder, model, {"slow": True}, "-b", "1", "--precision", "fp32", "--pipeline", "sync"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not any(content.rows for path in folder.glob("*.rows.partial") if (content := read_journal(path))):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    (lock,) = folder.glob("*.lock")
    return process, json.loads(lock.read_text())["process"]


@pytest.mark.slow
@pytest.mark.parametrize("to_all", [False, True], ids=["to the command", "to both"])
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 75, "SIGTERM"), (signal.SIGUSR1, 75, "SIGUSR1")],
)
def test_stopped_from_outside(
    number: signal.Signals, code: int, words: str, to_all: bool, folder: Path, model: ModelFolder
) -> None:
    process, worker = started(folder, model)
    assert worker != process.pid
    if to_all:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert errors.count(words) == 1
    assert "Traceback" not in errors
    assert not is_alive(worker)
    assert [path.name.partition(".")[2] for path in folder.glob("*.partial")] == ["rows.partial"]
    assert not list(folder.glob("*.lock"))


@pytest.mark.slow
def test_worker_ends_with_its_watcher(folder: Path, model: ModelFolder) -> None:
    process, worker = started(folder, model)
    process.kill()
    printed, errors = process.communicate(timeout=60)  # both are gone when nobody can write any more
    assert "Stopped by SIGTERM" in errors, printed
    deadline = time.monotonic() + 60
    while is_alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not list(folder.glob("*.lock"))
    assert run(folder, model, {}, "--precision", "fp32").returncode == 0


def is_alive(process: int) -> bool:
    """Whether it runs; where nobody waits for the orphaned, they stay as zombies."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_note_to_nobody() -> None:
    reader, writer = Pipe(duplex=False)
    reader.close()
    with writer, pytest.raises(StopRequest, match="watches"):
        tell(writer, {})
