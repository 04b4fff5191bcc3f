"""A table that posecli makes, in DeepLabCut's own steps and in napari-deeplabcut's reader.

    python benchmarks/round_trip.py VIDEO PROJECT --peer-python PYTHON [--napari-python PYTHON]

PROJECT is a DeepLabCut project with a trained network; it is copied, because DeepLabCut writes to it. Each PYTHON is
the interpreter of an environment with that tool. A step counts as passed where it ends without an error and leaves a
file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from common import RESULTS, machine, make_clip, markdown_table

PEER = Path(__file__).resolve().parent / "peer" / "deeplabcut_round_trip.py"
#: What napari-deeplabcut does with a table that is dropped onto its window, without the window.
NAPARI = """
import json, sys
from importlib.metadata import version
from napari_deeplabcut._reader import get_hdf_reader
((points, metadata, kind),) = get_hdf_reader(sys.argv[1])(sys.argv[1])
labels = sorted({str(name) for name in metadata["properties"]["label"]})
print(json.dumps({"version": version("napari-deeplabcut"), "kind": kind, "points": len(points), "labels": labels}))
"""


def main() -> None:
    """Try, and write ``results/round-trip.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("--peer-python", type=Path, required=True)
    parser.add_argument("--napari-python", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--width", type=int, default=320)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="round trip ") as scratch:
        folder = Path(scratch)
        project = with_skeleton(Path(shutil.copytree(arguments.project, folder / "project")))
        videos = folder / "videos"
        videos.mkdir()
        clip = make_clip(arguments.video, arguments.width, arguments.frames, folder).rename(videos / "day 1.mp4")
        table = analysed(clip, project)
        rows = in_deeplabcut(clip, project, arguments.peer_python)
        if arguments.napari_python is not None:
            rows.append(in_napari(table, arguments.napari_python))
    content = {"machine": machine(), "frames": arguments.frames, "width": arguments.width, "rows": rows}
    (RESULTS / "round-trip.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(markdown_table(rows))


def with_skeleton(project: Path) -> Path:
    """A bone between the first two body parts, without which one of the steps has nothing to do."""
    path = project / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["skeleton"] = [config["bodyparts"][:2]]
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return project


def analysed(clip: Path, project: Path) -> Path:
    """Posecli's table, beside its video."""
    command = [sys.executable, "-m", "posecli", "analyze", clip, "-m", project, "--batchsize", 8, "--json", "--quiet"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return Path(json.loads(done.stdout)["results"][0]["table"])


def in_deeplabcut(clip: Path, project: Path, python: Path) -> list[dict[str, Any]]:
    """A row per step."""
    command = [str(part) for part in (python, PEER, project / "config.yaml", clip)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return [
        {
            "tool": f"DeepLabCut {answer['version']}",
            "step": step["step"],
            "result": step["problem"] or ("passed" if step["made"] else "made nothing"),
            "made": ", ".join(step["made"]),
        }
        for step in answer["steps"]
    ]


def in_napari(table: Path, python: Path) -> dict[str, Any]:
    """What the plug-in's reader makes of the table."""
    done = subprocess.run([str(python), "-c", NAPARI, str(table)], capture_output=True, text=True, check=False)
    row = {"tool": "napari-deeplabcut", "step": "open the table", "result": "", "made": ""}
    if done.returncode:
        return row | {"result": done.stderr.strip().splitlines()[-1]}
    answer = json.loads(done.stdout.splitlines()[-1])
    made = f"a layer of {answer['points']} {answer['kind']}, labels {', '.join(answer['labels'])}"
    return row | {"tool": f"napari-deeplabcut {answer['version']}", "result": "passed", "made": made}


if __name__ == "__main__":
    main()
