"""The demonstration, with the fake engine in place of the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.fake_engine import FakeEngine

from posecli.cli import cli
from posecli.errors import OutputExistsError, UsageError
from posecli.model.folder import MODEL_FILE, WEIGHTS_FILE
from posecli.studies import demo
from posecli.studies.demo import run_demo
from posecli.tables.pose_table import read_pose_table

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture
def mouse_model(tmp_path: Path, fake_engine: type[FakeEngine], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder with three of the mouse's body parts, in place of the built-in one."""
    folder = tmp_path / "model"
    folder.mkdir()
    text = (
        "format: posecli-model\nformat_version: 1\nnet_type: resnet_50\nbodyparts: [snout, leftear, tailbase]\n"
        "scorer: DLC_resnet50_fakeshuffle1_1\nmean_pixel: [0, 0, 0]\npcutoff: 0.0\n"
    )
    (folder / MODEL_FILE).write_text(text, encoding="utf-8")
    (folder / WEIGHTS_FILE).write_bytes(b"")
    monkeypatch.setattr(demo, "builtin_model_path", lambda: folder)
    return folder


def test_demo_makes_table_video_and_plot_and_says_so_in_five_lines(mouse_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "first look"
    result = CliRunner().invoke(cli, ["demo", "--out", str(folder), "--frames", "12"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()[-5:]
    assert lines[0].startswith(f"{folder / 'mouse.mp4'}: 12 frames")
    assert "mean" in lines[2]
    assert "posecli analyze video.mp4" in lines[4]
    assert len(read_pose_table(folder / "mouseDLC_resnet50_fakeshuffle1_1.h5")) == 12
    assert (folder / "mouse-labelled.mp4").stat().st_size > 1000
    assert (folder / "mouse-trajectories.png").is_file()


def test_demo_as_json(mouse_model: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["demo", "-o", str(tmp_path / "d"), "--frames", "5", "--json"])
    content = json.loads(result.stdout)
    assert content["analysis"]["frames"] == 5
    assert content["errors"]["points"] > 0
    assert Path(content["plot"]).is_file()


def test_demo_keeps_what_is_there(mouse_model: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mouse.mp4").write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        run_demo(tmp_path / "d", 4)
    assert run_demo(tmp_path / "d", 6, overwrite=True).analysis.frames == 6


@pytest.mark.parametrize(("own", "used"), [("pcutoff: 0.0", 0.0), ("pcutoff: 0.3", 0.3), ("", 0.6)])
def test_demo_shows_points_from_the_networks_own_cutoff_on(
    mouse_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, used: float
) -> None:
    description = (mouse_model / MODEL_FILE).read_text(encoding="utf-8")
    (mouse_model / MODEL_FILE).write_text(description.replace("pcutoff: 0.0", own), encoding="utf-8")
    shown: list[float | None] = []
    monkeypatch.setattr(
        demo, "label_video", lambda _video, _table, _out, options, **_named: shown.append(options.pcutoff)
    )
    run_demo(tmp_path / "d", 4)
    assert shown == [used]


def test_demo_of_nothing_is_refused(mouse_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="frames 1"):
        run_demo(tmp_path / "d", 1)
