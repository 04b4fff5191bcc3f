"""Fixtures that several files use."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings
from matplotlib.figure import Figure
from support import clips
from support.fake_engine import FakeEngine

from posecli import engine
from posecli.inference import batching
from posecli.model.description import ModelDescription
from posecli.model.folder import MODEL_FILE, WEIGHTS_FILE, ModelFolder, read_model_folder

_NUMBERS = count()
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

#: A busy machine is no failure. The fast tests try fewer examples than all tests do.
settings.register_profile("all", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=30)


def pytest_configure(config: pytest.Config) -> None:
    """Let xdist's ``loadfile`` keep the order of `pytest_collection_modifyitems`; its own puts short files last."""
    settings.load_profile("fast" if config.option.markexpr == "not slow" else "all")
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the largest part of slow tests first, or one worker would still be at them when the others are done.

    Within a file nothing changes.
    """
    slow: dict[Path, list[bool]] = {}
    for item in items:
        slow.setdefault(item.path, []).append(item.get_closest_marker("slow") is not None)
    items.sort(key=lambda item: -sum(slow[item.path]) / len(slow[item.path]))


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end: the garbage collector need not look through them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_works() -> Iterator[None]:
    """A shell starts what it does not wait for with Ctrl-C ignored, and so would be every process that tests start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's own cache."""
    folder = tmp_path_factory.getbasetemp() / f"cache{next(_NUMBERS)}"  # made by what uses it
    monkeypatch.setenv("POSECLI_CACHE_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A real DeepLabCut project, its video and DeepLabCut's own output; not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the DeepLabCut project to compare with is not at '{SHARED_DATA}'")
    return SHARED_DATA


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> type[FakeEngine]:
    """Every engine is the fake one."""
    for name in engine.ENGINE_CLASSES:
        monkeypatch.setitem(engine.ENGINE_CLASSES, name, "support.fake_engine:FakeEngine")
    monkeypatch.setattr(FakeEngine, "calls", [])
    return FakeEngine


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made but hold one pixel: where they are not what is tested, drawing them takes most of the time."""
    _, pixel = cv2.imencode(".png", np.zeros((1, 1), np.uint8))
    blank = {"png": pixel.tobytes(), "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>'}

    def save(figure: Figure, path: Path, *, format: str, **settings: object) -> None:  # noqa: A002  # matplotlib's name
        path.write_bytes(blank[format])

    monkeypatch.setattr(Figure, "savefig", save)


@pytest.fixture
def quick_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch sizes are tried, but not for long."""
    monkeypatch.setattr(batching, "TRIAL_SECONDS", 0.0)


@pytest.fixture
def short_videos_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured before a run is measured for fifty frames too; no int8 version is made of them."""
    from posecli.precision import reckoning

    for name in ("LEAST_GAIN", "LEAST_SURE_GAIN"):
        monkeypatch.setattr(reckoning, name, 0.02)


@pytest.fixture
def dots_model(tmp_path: Path) -> ModelFolder:
    """A model folder for the fake engine: three body parts, weights that nobody reads."""
    folder = tmp_path / "dots-model"
    return make_dots_model(folder)


def make_dots_model(folder: Path) -> ModelFolder:
    """Write a model folder for the fake engine."""
    folder.mkdir(parents=True)
    description = ModelDescription("resnet_50", ("red", "green", "blue"), "DLC_resnet50_dotsNov20shuffle1_100")
    lines = [
        "format: posecli-model",
        "format_version: 1",
        f"net_type: {description.net_type}",
        f"bodyparts: [{', '.join(description.bodyparts)}]",
        f"scorer: {description.scorer}",
        f"mean_pixel: {list(description.mean_pixel)}",
    ]
    (folder / MODEL_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / WEIGHTS_FILE).write_bytes(b"")
    return read_model_folder(folder)


@pytest.fixture(scope="session")
def dots_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 numbered frames of 160x120 px, H.264, in a folder that no test may write to."""
    return clips.encode(tmp_path_factory.mktemp("clips") / "dots.mp4", clips.numbered_frames(50))
