"""Which videos arguments mean."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import clips

from posecli.errors import VideoError
from posecli.video.find import FoundVideos, find_videos
from posecli.video.probe import probe


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
    return [path.as_posix() for path in find_videos(arguments, recursive=recursive).videos]


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
            (
                "empty",
                r"holds no video \(no .*; passed over: 1 file .* \(1 \.txt\)\): .* --recursive",
            ),
            ("empty/*.mp4", "no video fits the pattern 'empty/\\*.mp4'.* that it is quoted"),
            ("@nothing.txt", r"list 'nothing.txt' cannot be read \(No such file or directory\)"),
            ("@day 1", "cannot be read"),
            ("@blank.txt", "names no video: write one per line"),
            ("@binary.txt", "list 'binary.txt' is not text in UTF-16"),
        ],
    )
    def test_what_comes_to_nothing(self, folder: Path, argument: str, words: str) -> None:
        (folder / "blank.txt").write_text("\n# nothing\n")
        (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(VideoError, match=words):
            found(argument)


@pytest.mark.usefixtures("folder")
class TestPassedOver:
    def test_is_said_in_a_line(self) -> None:
        found = find_videos(["day 1"])
        assert found.passed_over == (
            "2 labelled videos (m1-labelled.mp4, m1DLC_resnet50_x_labeled.mp4), 1 hidden file (._m1.avi), "
            "2 folders (.cache, night)"
        )
        assert found.passed_over_as_dict() == {
            "labelled": ["day 1/m1-labelled.mp4", "day 1/m1DLC_resnet50_x_labeled.mp4"],
            "hidden": ["day 1/._m1.avi"],
            "folders": ["day 1/.cache", "day 1/night"],
            "endings": {},
        }

    def test_is_nothing_where_nothing_was(self) -> None:
        assert find_videos(["day 2", "nothing.mp4"]).passed_over == ""

    def test_what_is_found_in_another_way_was_not_passed_over(self) -> None:
        found = find_videos(["day 1", "day 1/night", "day 1/m1-labelled.mp4", "./day 1/../day 1/._m1.avi"])
        assert found.passed_over == "1 labelled video (m1DLC_resnet50_x_labeled.mp4), 1 folder (.cache)"

    def test_of_the_same_folder_is_counted_once(self) -> None:
        assert find_videos(["day 1", "day 1/*", "./day 1"]) == find_videos(["day 1", "day 1/night"])

    def test_hidden_folders_are_said_to_be(self) -> None:
        assert find_videos(["day 1"], recursive=True).folders == (Path("day 1/.cache"),)

    @given(st.lists(st.sampled_from([".txt", ".XYZ", "", ".h5", ".json", ".mp4"]), min_size=1, max_size=30))
    @settings(deadline=None)
    def test_endings_are_counted_and_all_is_accounted_for(self, endings: list[str]) -> None:
        with tempfile.TemporaryDirectory() as place:
            for number, ending in enumerate([*endings, ".mp4"]):
                (Path(place) / f"f{number}{ending}").touch()
            found = find_videos([place])
        others = [ending.lower() for ending in endings if ending in (".txt", ".XYZ", "")]
        assert found.others == Counter(others)
        assert len(found.videos) == endings.count(".mp4") + 1
        assert found.passed_over.count("\n") == 0

    def test_many_are_not_all_named(self) -> None:
        line = FoundVideos((), hidden=tuple(Path(f".{k}.mp4") for k in range(9))).passed_over
        assert line == "9 hidden files (.0.mp4, .1.mp4, .2.mp4, .3.mp4, .4.mp4, .5.mp4, ...)"


@pytest.mark.parametrize(
    ("ending", "options"),
    [
        *((ending, ("-c:v", "libx264", "-f", "h264")) for ending in (".264", ".h264", ".avc")),
        *((ending, ("-c:v", "libx265", "-x265-params", "log-level=0", "-f", "hevc")) for ending in (".h265", ".hevc")),
        *((ending, ("-c:v", "mjpeg", "-f", "mjpeg")) for ending in (".mjpg", ".mjpeg")),
        *((ending, ("-c:v", "mpeg2video", "-f", "vob")) for ending in (".vob", ".mod", ".mpe", ".m2p")),
        *((ending, ("-c:v", "libx264", "-f", "mpegts")) for ending in (".tod", ".mts", ".m2t", ".trp")),
        *((ending, ("-c:v", "mpeg2video", "-f", "mpeg2video")) for ending in (".m2v", ".mpv")),
        (".divx", ("-c:v", "mpeg4", "-f", "avi")),
        (".f4v", ("-c:v", "libx264", "-f", "f4v")),
        (".qt", ("-c:v", "mjpeg", "-f", "mov")),
        (".ivf", ("-c:v", "libvpx", "-f", "ivf")),
        (".ogm", ("-c:v", "libtheora", "-f", "ogg")),
        (".dv", ("-vf", "scale=720:576", "-c:v", "dvvideo", "-pix_fmt", "yuv420p", "-f", "dv")),
    ],
)
def test_what_cameras_and_recorders_write_is_found_and_opened(
    tmp_path: Path, ending: str, options: tuple[str, ...]
) -> None:
    path = clips.encode(tmp_path / f"m1{ending.upper()}", clips.numbered_frames(5, 96, 128), *options)
    assert find_videos([tmp_path]).videos == (path,)
    assert probe(path).n_frames > 0


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "m1.mp4").touch()
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert found(tmp_path, recursive=True) == [(tmp_path / "a" / "m1.mp4").as_posix()]
