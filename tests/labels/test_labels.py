"""Labelled data: every form reads the same, and what does not fit is named."""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import clips, labels, projects

from posecli.errors import LabelError, UsageError
from posecli.labels.data import LabeledData, LabeledFrame, image_size, read_image, read_split, split_frames, write_split
from posecli.labels.reading import read_labeled_data


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return labels.write_project(tmp_path / "my project")


def folder_of(project: Path) -> Path:
    return project / "labeled-data" / "m1"


def table_of(project: Path) -> Path:
    return folder_of(project) / "CollectedData_me.h5"


def relabel(project: Path, points: labels.Points, *, bodyparts: Sequence[str] = labels.BODYPARTS) -> None:
    """Other labels for the images that are there."""
    names = [f"img{number:04d}.png" for number in range(len(points))]
    labels.save_labels(labels.label_frame(points, names, bodyparts=bodyparts), folder_of(project))


class TestReading:
    @pytest.mark.parametrize(("layout", "index"), labels.FORMS)
    def test_every_form_reads_the_same(self, tmp_path: Path, layout: str, index: str) -> None:
        projects.write_project(tmp_path, bodyparts=list(labels.BODYPARTS))
        points = labels.dots(4)
        points[1, 2] = np.nan
        points[2] = np.nan
        labels.write_labels(tmp_path, points, layout=layout, index=index)
        data = read_labeled_data(tmp_path)
        assert data.bodyparts == labels.BODYPARTS
        assert data.names == tuple(f"labeled-data/m1/img{number:04d}.png" for number in range(4))
        assert np.array_equal(data.points, points, equal_nan=True)
        assert data.scorer == "me"
        assert data.notes == ()
        assert all(frame.image.is_file() for frame in data.frames)
        assert repr(data) == "LabeledData(4 frames, 8 points of 3 body parts, by me)"

    @pytest.mark.parametrize(
        "place", ["", "config.yaml", "labeled-data", "labeled-data/m1", "labeled-data/m1/CollectedData_me.h5"]
    )
    def test_every_place_in_a_project_will_do(self, project: Path, place: str) -> None:
        data = read_labeled_data(project / place)
        assert (len(data), data.names[0]) == (6, "labeled-data/m1/img0000.png")
        assert np.array_equal(data.points, labels.dots(6))

    def test_a_folder_without_a_project(self, project: Path, tmp_path: Path) -> None:
        alone = Path(shutil.copytree(folder_of(project), tmp_path / "alone"))
        data = read_labeled_data(alone)
        assert data.names[0] == "labeled-data/alone/img0000.png"
        assert data.bodyparts == labels.BODYPARTS

    def test_paths_may_be_relative(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder_of(project))
        assert read_labeled_data(Path()).names == read_labeled_data(project).names
        assert read_labeled_data(Path("CollectedData_me.h5")).names == read_labeled_data(project).names

    def test_several_videos_are_sorted_and_those_without_labels_passed_over(self, project: Path) -> None:
        labels.write_labels(project, labels.dots(2), "a0", layout="csv", index="path")
        labels.write_images(project / "labeled-data" / "unlabelled", 2)
        data = read_labeled_data(project)
        assert [name.split("/")[1] for name in data.names] == ["a0"] * 2 + ["m1"] * 6

    def test_body_parts_come_in_the_order_of_the_project(self, project: Path) -> None:
        projects.write_project(project, bodyparts=["blue", "red", "green"])
        assert np.array_equal(read_labeled_data(project).points, labels.dots(6)[:, [2, 0, 1]])

    def test_chosen_body_parts(self, project: Path) -> None:
        data = read_labeled_data(project, ["green"])
        assert data.bodyparts == ("green",)
        assert np.array_equal(data.points, labels.dots(6)[:, [1]])

    def test_a_body_part_that_one_video_lacks_is_not_labelled_there(self, project: Path) -> None:
        labels.write_labels(project, labels.dots(2)[:, :2], "m0", bodyparts=("red", "green"))
        points = read_labeled_data(project).points
        assert np.isnan(points[:2, 2]).all()
        assert np.isfinite(points[2:]).all()

    def test_likelihood_of_machine_labels_is_passed_over(self, project: Path) -> None:
        frame = labels.label_frame(labels.dots(6), [f"img{number:04d}.png" for number in range(6)])
        frame["me", "red", "likelihood"] = 0.5
        labels.save_labels(frame, folder_of(project))
        assert np.array_equal(read_labeled_data(project).points, labels.dots(6))

    def test_half_a_point_is_none(self, project: Path) -> None:
        points = labels.dots(6)
        points[0, 0, 1] = np.nan
        relabel(project, points)
        assert np.isnan(read_labeled_data(project).points[0, 0]).all()

    def test_h5_comes_before_csv(self, project: Path) -> None:
        names = [f"img{number:04d}.png" for number in range(6)]
        labels.save_labels(labels.label_frame(labels.dots(6) + 1, names), folder_of(project), layout="csv")
        assert np.array_equal(read_labeled_data(project).points, labels.dots(6))

    def test_the_projects_scorer_is_chosen(self, project: Path) -> None:
        names = [f"img{number:04d}.png" for number in range(6)]
        labels.save_labels(labels.label_frame(labels.dots(6) + 1, names, scorer="ada"), folder_of(project), "ada")
        assert read_labeled_data(project).scorer == "me"
        assert read_labeled_data(folder_of(project) / "CollectedData_ada.h5").scorer == "ada"

    def test_merged_table_of_a_training_set(self, project: Path) -> None:
        merged = project / "training-datasets" / "iteration-0" / "UnaugmentedDataSet_reachNov20"
        merged.mkdir(parents=True)
        shutil.move(table_of(project), merged)
        data = read_labeled_data(merged / "CollectedData_me.h5")
        assert data.names[0] == "labeled-data/m1/img0000.png"
        assert data.frames[0].image.resolve() == (folder_of(project) / "img0000.png").resolve()

    @given(points=st.lists(st.floats(0.5, 119.5) | st.just(np.nan), min_size=12, max_size=12))
    @settings(max_examples=4, deadline=None)
    def test_labels_come_back_to_the_bit(self, points: list[float]) -> None:
        written = np.array(points).reshape(2, 3, 2)
        written[np.isnan(written).any(axis=2)] = np.nan
        written[0, 0] = (3.0, 4.0)
        with tempfile.TemporaryDirectory() as folder:
            for layout, index in (("fixed", "parts"), ("table", "path"), ("csv", "parts")):
                labels.write_labels(Path(folder) / layout, written, layout=layout, index=index)
                found = read_labeled_data(Path(folder) / layout / "labeled-data", allow_unlabeled=True)
                assert np.array_equal(found.points, written, equal_nan=True)

    def test_real_labels(self, shared_data: Path) -> None:
        folder = shared_data / "openfield" / "labeled-data" / "m4s1"
        data = read_labeled_data(shared_data / "openfield")
        assert repr(data) == "LabeledData(93 frames, 372 points of 4 body parts, by Pranav)"
        assert data.bodyparts == ("snout", "leftear", "rightear", "tailbase")
        assert data.frames[0].points[0].tolist() == [21.521, 265.428]
        assert np.array_equal(read_labeled_data(folder / "CollectedData_Pranav.csv").points, data.points)
        assert image_size(data.frames[0].image) == (640, 480)


def with_animals(*animals: str) -> pd.DataFrame:
    """Labels with a level that names the animal, the same for each."""
    frame = labels.label_frame(labels.dots(6), [f"img{number:04d}.png" for number in range(6)])
    several = pd.concat([frame] * len(animals), axis=1, keys=animals, names=["individuals"])
    return several.reorder_levels(["scorer", "individuals", "bodyparts", "coords"], axis=1)


class TestOneAnimalWithAName:
    @pytest.mark.parametrize(("layout", "index"), labels.FORMS)
    def test_is_one_animal(self, project: Path, layout: str, index: str) -> None:
        frame = with_animals("mouse1")
        frame.index = labels.label_frame(labels.dots(6), [row[-1] for row in frame.index], index=index).index
        path = labels.save_labels(frame, folder_of(project), layout=layout)
        data = read_labeled_data(path)
        assert data.bodyparts == labels.BODYPARTS
        assert np.array_equal(data.points, labels.dots(6))

    def test_in_a_multi_animal_project(self, project: Path) -> None:
        labels.save_labels(with_animals("mouse1"), folder_of(project))
        parts = list(labels.BODYPARTS[::-1])
        projects.write_project(
            project, multianimalproject=True, bodyparts="MULTI!", multianimalbodyparts=parts, individuals=["mouse1"]
        )
        data = read_labeled_data(project)
        assert data.bodyparts == tuple(parts)
        assert np.array_equal(data.points, labels.dots(6)[:, ::-1])


class TestSpreadsheets:
    """CSV tables that were opened and saved again with something else."""

    def saved(self, project: Path, change: Callable[[str], str | bytes], *, index: str = "parts") -> LabeledData:
        points = labels.dots(6)
        points[2, 1] = np.nan
        names = [f"img{number:04d}.png" for number in range(6)]
        path = labels.save_labels(labels.label_frame(points, names, index=index), folder_of(project), layout="csv")
        content = change(path.read_text(encoding="utf-8"))
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        data = read_labeled_data(path)
        assert data.bodyparts == labels.BODYPARTS
        assert np.array_equal(data.points, points, equal_nan=True)
        return data

    @pytest.mark.parametrize("index", ["parts", "path"])
    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.replace("\n", ",,,\n"),
            lambda text: text + ",,,,,,,\n\n , \n",
            lambda text: text.replace(",", ";"),
            lambda text: text.replace(",", ";").replace("\n", ";;\n"),
            lambda text: text.replace(",", ";").replace(".5", ",5").replace(".0", ",0"),
            lambda text: text.replace(",", "\t").encode("utf-16"),
            lambda text: "\ufeff" + text.replace("\n", "\r\n"),
            lambda text: text.replace("\n", "\r"),
            lambda text: "".join(
                ",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines()
            ),
        ],
        ids=["columns", "rows", "semicolons", "all", "commas", "utf-16", "bom", "cr", "quotes"],
    )
    def test_reads_the_same(self, project: Path, change: Callable[[str], str | bytes], index: str) -> None:
        self.saved(project, change, index=index)

    def test_words_for_no_number(self, project: Path) -> None:
        self.saved(project, lambda text: re.sub(r"(?<=[0-9]),,,(?=[0-9])", ",NA,#N/A,", text))

    def test_names_in_windows_1252(self, project: Path, caplog: pytest.LogCaptureFixture) -> None:
        def renamed(text: str) -> bytes:
            return re.sub(r"\bme\b", "Jürgen", text).encode("cp1252")

        assert self.saved(project, renamed).scorer == "Jürgen"
        assert "is read as Windows-1252" in caplog.text

    @given(st.permutations(range(6)))
    @settings(max_examples=10, deadline=None)
    def test_columns_in_any_order(self, order: list[int]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            labels.write_labels(Path(folder), labels.dots(2))
            frame = labels.label_frame(labels.dots(2), ["img0000.png", "img0001.png"]).iloc[:, order]
            for layout in ("csv", "fixed"):
                path = labels.save_labels(frame, Path(folder) / "labeled-data" / "m1", layout=layout)
                data = read_labeled_data(path, labels.BODYPARTS)
                assert np.array_equal(data.points, labels.dots(2))

    def test_sorted_by_name(self, project: Path) -> None:
        names = [f"img{number:04d}.png" for number in range(6)]
        frame = labels.label_frame(labels.dots(6), names).sort_index(axis=1)
        labels.save_labels(frame, folder_of(project))
        assert np.array_equal(read_labeled_data(project).points, labels.dots(6))


class TestFaults:
    def refused(self, path: Path, *, allow_unlabeled: bool = False) -> str:
        with pytest.raises(LabelError) as error:
            read_labeled_data(path, allow_unlabeled=allow_unlabeled)
        message = str(error.value)
        assert "\n" not in message
        return message

    def test_missing_image(self, project: Path) -> None:
        (folder_of(project) / "img0003.png").unlink()
        (folder_of(project) / "img0004.png").unlink()
        message = self.refused(project)
        assert f"image '{folder_of(project) / 'img0003.png'}' is labelled" in message
        assert "(2 of 6 are missing)" in message

    def test_misspelt_body_part(self, project: Path) -> None:
        relabel(project, labels.dots(6), bodyparts=("red", "gren", "blue"))
        message = self.refused(project)
        assert "labels body part 'gren', but config.yaml has red, green, blue" in message

    def test_body_part_that_nobody_labels(self, project: Path) -> None:
        projects.write_project(project, bodyparts=["red", "green", "blue", "tail"])
        message = self.refused(project)
        assert "has no labels of body part 'tail', only of red, green, blue" in message
        with pytest.raises(LabelError, match="body part 'snout'"):
            read_labeled_data(project, ["red", "snout"])

    def test_body_part_without_a_label(self, project: Path) -> None:
        points = labels.dots(6)
        points[:, 1] = np.nan
        relabel(project, points)
        assert "has no label of body part 'green' on any frame" in self.refused(project)
        assert np.isnan(read_labeled_data(project, allow_unlabeled=True).points[:, 1]).all()

    @pytest.mark.parametrize("allow_unlabeled", [False, True])
    def test_nothing_labelled(self, project: Path, allow_unlabeled: bool) -> None:
        relabel(project, np.full((6, 3, 2), np.nan))
        assert "has 6 frames without a single label" in self.refused(project, allow_unlabeled=allow_unlabeled)

    @pytest.mark.parametrize(("layout", "index"), [form for form in labels.FORMS if form[0] != "table"])
    def test_empty_table(self, project: Path, layout: str, index: str) -> None:
        table_of(project).unlink()
        frame = labels.label_frame(labels.dots(1), ["img0000.png"], index=index).iloc[:0]
        labels.save_labels(frame, folder_of(project), layout=layout)
        assert "is empty: label some frames" in self.refused(project)

    def test_infinite_label(self, project: Path) -> None:
        points = labels.dots(6)
        points[2, 1, 0] = -np.inf
        relabel(project, points)
        assert "has an infinite label ('green' on 'img0002.png')" in self.refused(project)

    def test_a_few_labels_outside_count_as_none_and_are_told(self, project: Path) -> None:
        points = labels.dots(6)
        points[4, 0] = (labels.WIDTH + 3, 20)
        relabel(project, points)
        data = read_labeled_data(project)
        assert np.isnan(data.points[4, 0]).all()
        assert np.array_equal(
            np.delete(data.points.reshape(-1, 2), 12, axis=0), np.delete(points.reshape(-1, 2), 12, axis=0)
        )
        assert data.notes == (
            "1 of 18 labels lie outside of their image, first on 'labeled-data/m1/img0004.png'; "
            "they count as not labelled",
        )

    def test_labels_of_images_of_another_size(self, project: Path) -> None:
        relabel(project, labels.dots(6) * 2)
        message = self.refused(project)
        assert "of 18 labels lie outside of their image, first on 'labeled-data/m1/img0000.png'" in message
        assert "have the same size" in message

    @pytest.mark.parametrize("content", [b"", b"GIF89a and more", b"\x89PNG\r\n\x1a\n"])
    def test_damaged_image(self, project: Path, content: bytes) -> None:
        (folder_of(project) / "img0001.png").write_bytes(content)
        assert f"image '{folder_of(project) / 'img0001.png'}' is damaged or not an image" in self.refused(project)

    @pytest.mark.parametrize("layout", ["csv", "fixed"])
    def test_several_animals(self, project: Path, layout: str) -> None:
        path = labels.save_labels(with_animals("mouse1", "mouse2"), folder_of(project), layout=layout)
        assert "labels several animals (mouse1, mouse2)" in self.refused(path)

    def test_project_of_several_animals(self, project: Path) -> None:
        projects.write_project(project, multianimalproject="yes", individuals=[f"m{number}" for number in range(9)])
        assert "labels several animals (m0, m1, m2, m3, m4, m5, ...)" in self.refused(project)

    def test_several_scorers_in_one_table(self, project: Path) -> None:
        names = [f"img{number:04d}.png" for number in range(6)]
        both = [labels.label_frame(labels.dots(6), names, scorer=scorer) for scorer in ("me", "ada")]
        labels.save_labels(pd.concat(both, axis=1), folder_of(project))
        assert "holds labels of several people (me, ada): keep the columns of one" in self.refused(project)

    @pytest.mark.parametrize("name", ["true", "null", "[a]"])
    def test_body_parts_of_the_project_that_are_no_names(self, project: Path, name: str) -> None:
        (project / "config.yaml").write_text(f"scorer: me\nbodyparts: [red, {name}]\n", encoding="utf-8")
        message = self.refused(project)
        assert "has a body part that is" in message

    def test_several_people(self, project: Path) -> None:
        names = [f"img{number:04d}.png" for number in range(6)]
        labels.save_labels(labels.label_frame(labels.dots(6), names, scorer="ada"), folder_of(project), "ada")
        projects.write_project(project, scorer="grace", bodyparts=list(labels.BODYPARTS))
        message = self.refused(project)
        assert "labels of several people (CollectedData_ada, CollectedData_me)" in message

    def test_an_image_labelled_twice(self, project: Path) -> None:
        frame = labels.label_frame(labels.dots(2), ["img0000.png", "img0000.png"])
        labels.save_labels(frame, folder_of(project))
        assert "labels 'labeled-data/m1/img0000.png' 2 times" in self.refused(project)

    def test_rows_that_are_no_images(self, project: Path) -> None:
        frame = labels.label_frame(labels.dots(6), [f"img{number:04d}.png" for number in range(6)])
        labels.save_labels(frame.reset_index(drop=True), folder_of(project))
        assert "that does not name an image" in self.refused(project)

    def test_a_row_cannot_leave_the_project(self, project: Path) -> None:
        names = ["../../../secret.png", *(f"img{number:04d}.png" for number in range(1, 6))]
        labels.save_labels(labels.label_frame(labels.dots(6), names), folder_of(project))
        assert "that does not name an image" in self.refused(project)

    def test_a_column_is_missing(self, project: Path) -> None:
        frame = labels.label_frame(labels.dots(6), [f"img{number:04d}.png" for number in range(6)])
        labels.save_labels(frame.iloc[:, :-1], folder_of(project))
        assert "has 0 columns 'y' of body part 'blue'" in self.refused(project)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda text: text.replace("scorer", "who", 1), "does not begin with lines"),
            (lambda text: "", "does not begin with lines"),
            (lambda text: text.rsplit(",", 1)[0] + "\n", "line 9 of .* has 5 numbers where 6 are expected"),
            (lambda text: text.rstrip() + ",7\n", "line 9 of .* has 7 numbers where 6 are expected"),
            (lambda text: text.rsplit(",", 1)[0] + ",left\n", "line 9 of .* is not all numbers"),
            (lambda text: "\n".join(text.splitlines()[:3]), "is empty"),
        ],
    )
    def test_damaged_csv(self, project: Path, change: Callable[[str], str], words: str) -> None:
        table_of(project).unlink()
        names = [f"img{number:04d}.png" for number in range(6)]
        path = labels.save_labels(labels.label_frame(labels.dots(6), names), folder_of(project), layout="csv")
        path.write_text(change(path.read_text()))
        with pytest.raises(LabelError, match=words):
            read_labeled_data(project)

    def test_damaged_h5(self, project: Path) -> None:
        table_of(project).write_bytes(table_of(project).read_bytes()[:3000])
        assert f"'{table_of(project)}' is damaged" in self.refused(project)

    @pytest.mark.parametrize("place", ["nothing", "config.yaml", "", "labeled-data", "labeled-data/m1/img0000.png"])
    def test_no_labels(self, project: Path, place: str) -> None:
        table_of(project).unlink()
        message = self.refused(project / place)
        assert any(words in message for words in ("holds no labels", "do not exist"))

    @pytest.mark.parametrize("bodyparts", ["snout", [], ["red", "red"]])
    def test_body_parts_of_the_project_are_no_list_of_names(self, project: Path, bodyparts: object) -> None:
        projects.write_project(project, bodyparts=bodyparts)
        assert "expected a list of distinct names" in self.refused(project)


class TestImages:
    @pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif"])
    def test_size_and_pixels(self, tmp_path: Path, ending: str) -> None:
        frame = clips.numbered_frames(1, 60, 80)[0]
        path = tmp_path / f"ü.{ending}"
        path.write_bytes(cv2.imencode(f".{ending}", frame[..., ::-1])[1].tobytes())
        assert image_size(path) == (80, 60)
        image = read_image(path)
        assert image.shape == (60, 80, 3)
        assert np.abs(image.astype(int) - frame).mean() < 6

    def test_grey_and_16_bit_images_become_rgb(self, tmp_path: Path) -> None:
        grey = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
        assert cv2.imwrite(str(tmp_path / "grey.png"), grey)
        image = read_image(tmp_path / "grey.png")
        assert image.shape == (64, 64, 3)
        assert image.dtype == np.uint8
        assert np.array_equal(image[..., 0], image[..., 2])
        assert int(image.max()) == 255

    def test_missing(self, tmp_path: Path) -> None:
        for read in (image_size, read_image):
            with pytest.raises(LabelError, match=r"cannot be read \(No such file or directory\)"):
                read(tmp_path / "none.png")


def plain_data(count: int) -> LabeledData:
    frames = [
        LabeledFrame(Path(f"{k:03d}.png"), f"labeled-data/v{k % 3}/{k:03d}.png", np.ones((1, 2))) for k in range(count)
    ]
    return LabeledData(("nose",), tuple(sorted(frames, key=lambda frame: frame.name)), "me")


class TestSplits:
    @given(st.integers(2, 60), st.floats(0.02, 0.98), st.integers(0, 2**32))
    @settings(deadline=None)
    def test_drawn_frames(self, count: int, fraction: float, seed: int) -> None:
        data = plain_data(count)
        if round(count * fraction) == count:
            with pytest.raises(UsageError, match="leaves none"):
                split_frames(data, fraction, seed)
            return
        train, test = split_frames(data, fraction, seed)
        assert sorted(train.names + test.names) == list(data.names)
        assert len(test) == max(1, round(count * fraction))
        assert split_frames(data, fraction, seed)[1].names == test.names

    def test_seeds_draw_differently(self) -> None:
        draws = {split_frames(plain_data(40), 0.2, seed)[1].names for seed in range(5)}
        assert len(draws) == 5

    def test_named_frames(self) -> None:
        data = plain_data(9)
        train, test = split_frames(data, ["001.png", "v0/003.png", "labeled-data\\v2\\008.png"])
        assert test.names == ("labeled-data/v0/003.png", "labeled-data/v1/001.png", "labeled-data/v2/008.png")
        assert len(train) == 6
        assert split_frames(data, [])[1].frames == ()

    @pytest.mark.parametrize(
        ("held_out", "words"),
        [
            (["99.png"], "frame '99.png' is not among the labelled frames"),
            (["01.png"], "frame '01.png' is not among"),
            (0.0, "fraction 0 is out of range"),
            (1.0, "fraction 1 is out of range"),
            (float("nan"), "out of range"),
            ([f"{k:03d}.png" for k in range(9)], "leaves none"),
        ],
    )
    def test_wrong_wishes(self, held_out: Sequence[str] | float, words: str) -> None:
        with pytest.raises(UsageError, match=words):
            split_frames(plain_data(9), held_out)

    def test_a_name_that_two_frames_have(self) -> None:
        data = plain_data(3)
        frames = tuple(
            LabeledFrame(f.image, f"labeled-data/{v}/img.png", f.points)
            for f, v in zip(data.frames, "abc", strict=True)
        )
        with pytest.raises(UsageError, match=r"could be 'labeled-data/a/img.png' or 'labeled-data/b/img.png'"):
            split_frames(LabeledData(("nose",), frames, "me"), ["img.png"])

    def test_split_file(self, tmp_path: Path) -> None:
        data = plain_data(12)
        train, test = split_frames(data, 0.25, 3)
        write_split(tmp_path / "split.yaml", train.names, test.names)
        found = read_split(tmp_path / "split.yaml", data)
        assert [group.names for group in found] == [train.names, test.names]
        assert list(itertools.chain(tmp_path.iterdir())) == [tmp_path / "split.yaml"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("train: [001.png]\ntest: [v1/001.png]\n", "has 'labeled-data/v1/001.png' in both lists"),
            ("train: [001.png]\n", "is not a split"),
            ("train: 001.png\ntest: []\n", "is not a split"),
            ("train: []\ntest: [5]\n", "is not a split"),
            ("train: []\ntest: []\nseed: 5\n", "is not a split"),
            ("train: []\ntest: [nobody.png]\n", "'nobody.png' is not among"),
        ],
    )
    def test_wrong_split_files(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "split.yaml"
        path.write_text(text)
        with pytest.raises(UsageError, match=words):
            read_split(path, plain_data(9))
