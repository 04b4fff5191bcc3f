"""Files handled one after the other in a process of their own, so that one that kills or hangs it costs itself only.

The process prints one JSON line before each file (``name`` and ``number``), one with its ``outcome`` behind it, and
``end`` at last.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def tell(content: dict[str, Any]) -> None:
    """Print a line for whoever watches."""
    print(json.dumps(content), flush=True)


def watched(
    script: Path, folder: Path, patience: float, *arguments: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | str]]:
    """Run a script on a folder from the first file on, and again from behind each file at which it ends.

    Yields
    ------
    dict
        The line before a file.
    dict or str
        What came of it, or how the process ended there; it is killed if it says nothing for `patience` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = folder / "words.txt"
    start = 0
    while True:
        command = [sys.executable, "-X", "faulthandler", str(script.resolve()), str(folder), "--start", str(start)]
        lines, ended = _lines_of([*command, *arguments], words, patience)
        begun = [line for line in lines if "name" in line]
        done = [line["outcome"] for line in lines if "outcome" in line]
        yield from zip(begun, done, strict=False)
        if lines and "end" in lines[-1]:
            return
        if len(begun) == len(done):
            raise RuntimeError(f"no file could be analysed: {words.read_text(errors='replace')}")
        yield begun[-1], ended
        start = begun[-1]["number"] + 1


def _lines_of(command: list[str], words: Path, patience: float) -> tuple[list[dict[str, Any]], str]:
    """What a process tells, and how it ended."""
    lines: list[dict[str, Any]] = []
    hung = threading.Event()
    with (
        words.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as child,
    ):
        assert child.stdout is not None
        while line := _line_of(child, child.stdout.readline, hung, patience):
            lines.append(json.loads(line))
    tail = words.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    return lines, "it hangs" if hung.is_set() else f"the process ended with {child.returncode}: {' '.join(tail)}"


def _line_of(child: subprocess.Popen[str], read: Callable[[], str], hung: threading.Event, patience: float) -> str:
    def kill() -> None:
        hung.set()
        child.kill()

    timer = threading.Timer(patience, kill)
    timer.start()
    try:
        return read()
    finally:
        timer.cancel()
