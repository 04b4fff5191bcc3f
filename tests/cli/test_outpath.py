"""``posecli outpath``: the name that analyze will give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from posecli.cli import cli
from posecli.model.folder import ModelFolder


def outpath(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["outpath", *map(str, arguments)], catch_exceptions=False)


def test_is_where_analyze_puts_the_table(
    dots_clip: Path, dots_model: ModelFolder, tmp_path: Path, fake_engine: object
) -> None:
    arguments = [dots_clip, "-m", dots_model.path, "-o", tmp_path / "two words"]
    named = Path(outpath(*arguments).stdout.rstrip("\n"))
    assert not named.exists()
    CliRunner().invoke(cli, ["analyze", *map(str, arguments)], catch_exceptions=False)
    assert named.is_file()


def test_video_need_not_exist(dots_model: ModelFolder) -> None:
    scorer = dots_model.description.scorer
    result = outpath("day 1/m1.avi", "m2.mp4", "-m", dots_model.path)
    assert result.stdout.splitlines() == [f"day 1/m1{scorer}.h5", f"m2{scorer}.h5"]


def test_json(dots_model: ModelFolder) -> None:
    table = f"m1{dots_model.description.scorer}.h5"
    content = json.loads(outpath("m1.avi", "-m", dots_model.path, "--json").stdout)
    assert content == {"tables": [{"video": "m1.avi", "table": table}]}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a/m1.avi", "b/m1.avi", "-o", "poses"], 2, "would both write"),
        (["m*.avi"], 3, "no video fits the pattern"),
        (["m1.avi", "--shuffle", "2"], 5, "holds one network"),
    ],
)
def test_refusals(
    arguments: list[str],
    code: int,
    words: str,
    dots_model: ModelFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = outpath(*arguments, "-m", dots_model.path)
    assert result.exit_code == code
    assert words in result.stderr
