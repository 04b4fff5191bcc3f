"""``posecli estimate``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.studies import write_study

from posecli.cli import cli
from posecli.model.folder import ModelFolder
from posecli.studies.benchmark.report import summarize, write_report
from posecli.studies.cost import read_prices

pytestmark = pytest.mark.usefixtures("blank_figures")


def estimate(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["estimate", *map(str, arguments)])


PAPER = ("--animals", 24, "--days", 5)


def test_given_speed() -> None:
    result = estimate(*PAPER, "--fps", 78.5, "--per-hour", 1.5)
    assert result.exit_code == 0
    assert "24 animals x 5 days x 24 h = 2,880 hours of video, 311 million frames" in result.output
    assert "price: own, 1.5 USD per hour (given on the command line)" in result.output
    row = result.output.splitlines()[-1].split()
    assert row[0] == "78.5"
    assert "1,101" in row
    assert row[-1] == "1,651"


def test_json() -> None:
    result = estimate(*PAPER, "--fps", 30, "--price", "n1-core", "--cores", 2, "--within", 10, "--json")
    content = json.loads(result.stdout)
    (row,) = content["estimates"]
    assert row["machine_hours"] == 2880
    assert row["machines"] == 12
    assert row["cost"] == pytest.approx(2880 * 0.095)
    assert content["within_days"] == 10


def test_speeds_of_a_benchmark(tmp_path: Path, dots_model: ModelFolder) -> None:
    study = write_study(tmp_path, dots_model.path)
    write_report(summarize(study, read_prices().chosen(None, None)))
    for given in (tmp_path, tmp_path / "results.json"):
        result = estimate("--animals", 1, "--days", 1, "--benchmark", given)
        assert result.exit_code == 0, result.output
        assert "dots 80 px, standard method: openvino fp32, batch 1, sync" in result.output
        assert "dots 80 px, fastest: openvino" in result.output
        assert "blind 160 px, fastest" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give either --fps or --benchmark"),
        (("--fps", 1, "--benchmark", "x"), "give either --fps or --benchmark"),
        (("--fps", 0), "fps 0 is out of range"),
        (("--fps", 1, "--price", "gold"), "price 'gold' is not known"),
        (("--fps", 1, "--cores", 0), "cores 0 is too small"),
        (("--fps", 1, "--within", 0), "within 0 days is out of range"),
        (("--benchmark", "nowhere"), "'nowhere' does not exist"),
        (("--fps", 1, "--prices", "nowhere.yaml"), "'nowhere.yaml' does not exist"),
    ],
)
def test_wrong_arguments_end_in_one_line(arguments: tuple[object, ...], words: str) -> None:
    result = estimate(*PAPER, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_other_files_are_no_benchmark(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("[]")
    assert "is no benchmark's result" in estimate(*PAPER, "--benchmark", tmp_path).stderr
    (tmp_path / "results.json").write_text("{")
    assert "cannot be read" in estimate(*PAPER, "--benchmark", tmp_path).stderr
