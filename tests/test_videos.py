"""Which videos arguments mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from posecli.errors import VideoError
from posecli.videos import find_videos


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty files: only names count here."""
    names = [
        "day 1/m10.mp4",
        "day 1/m2.MP4",
        "day 1/m1.Avi",
        "day 1/m1DLC_resnet50_x_labeled.mp4",
        "day 1/m1-labelled.mp4",
        "day 1/._m1.avi",
        "day 1/m1DLC_resnet50_x.h5",
        "day 1/.cache/m1.mp4",
        "day 1/night/m11.mkv",
        "day 2/m1.mov",
        "[odd]*.mp4",
        "@home.mp4",
        "empty/notes.txt",
    ]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*arguments: str | Path, recursive: bool = False) -> list[str]:
    return [path.as_posix() for path in find_videos(arguments, recursive=recursive)]


DAY_1 = ["day 1/m1.Avi", "day 1/m2.MP4", "day 1/m10.mp4"]


@pytest.mark.usefixtures("folder")
class TestArguments:
    def test_folder(self) -> None:
        assert found("day 1") == DAY_1

    def test_folder_of_folders(self) -> None:
        assert found("day 1", recursive=True) == [*DAY_1, "day 1/night/m11.mkv"]

    @pytest.mark.parametrize(
        ("pattern", "videos"),
        [
            ("day 1/m1*", ["day 1/m1.Avi", "day 1/m10.mp4"]),
            ("day*", [*DAY_1, "day 2/m1.mov"]),
            ("**/m1.*", ["day 1/m1.Avi", "day 2/m1.mov"]),
            ("day [2-9]/*", ["day 2/m1.mov"]),
        ],
    )
    def test_patterns(self, pattern: str, videos: list[str]) -> None:
        assert found(pattern) == videos

    def test_absolute_pattern(self, folder: Path) -> None:
        assert found(f"{folder}/day 2/*.mov") == [f"{folder.as_posix()}/day 2/m1.mov"]

    def test_list(self, folder: Path) -> None:
        text = "\ufeff# of Monday\r\nday 2/m1.mov\r\n\r\n  day 1\r\n@home.mp4\r\n"
        (folder / "list.txt").write_text(text, encoding="utf-8", newline="")
        assert found("@list.txt") == ["day 2/m1.mov", *DAY_1, "@home.mp4"]

    def test_each_once_in_the_order_given(self, folder: Path) -> None:
        arguments: list[str | Path] = [
            "day 2/m1.mov",
            "day 1",
            "day 1/m2.MP4",
            "./day 1/../day 2/m1.mov",
            folder / "day 2",
        ]
        assert found(*arguments) == ["day 2/m1.mov", *DAY_1]

    @pytest.mark.parametrize("name", ["[odd]*.mp4", "@home.mp4", "missing.mp4", "m1DLC_x_labeled.mp4", "notes.txt"])
    def test_file_that_is_named_is_taken_for_what_it_is(self, name: str) -> None:
        assert found(name) == [name]

    @pytest.mark.parametrize(
        ("argument", "words"),
        [
            ("empty", r"folder 'empty' holds no video \(no \.mp4, .*\): check the path, or pass --recursive"),
            ("empty/*.mp4", "no video fits the pattern 'empty/\\*.mp4'.* that it is quoted"),
            ("@nothing.txt", r"list 'nothing.txt' cannot be read \(No such file or directory\)"),
            ("@day 1", "cannot be read"),
            ("@blank.txt", "names no video: write one per line"),
            ("@binary.txt", "it is no text in UTF-8"),
        ],
    )
    def test_what_comes_to_nothing(self, folder: Path, argument: str, words: str) -> None:
        (folder / "blank.txt").write_text("\n# nothing\n")
        (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(VideoError, match=words):
            found(argument)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "m1.mp4").touch()
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert found(tmp_path, recursive=True) == [(tmp_path / "a" / "m1.mp4").as_posix()]
