"""Pictures are told apart by a recorded network, as a user would do it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cifar.config import CLASS_NAMES
from experiments.predict import main
from experiments.tracking.config import TrackingConfig
from experiments.tracking.finding import find


@pytest.fixture(scope="module")
def trained(new_home: Callable[..., Path]) -> Path:
    """A working folder with a trained network and pictures."""
    home = new_home(())
    (home / "pictures").mkdir()
    random = np.random.default_rng(0)
    for name, size in (("a.png", (32, 32)), ("b.jpg", (60, 90)), ("c.PNG", (10, 10))):
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(home / "pictures" / name)
    (home / "pictures" / "note.txt").write_text("no picture", encoding="utf-8")
    return home


@pytest.fixture
def here(trained: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def test_json_has_each_picture_with_its_class_and_all_probabilities(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["best", "pictures", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["image"] for row in rows] == ["pictures/a.png", "pictures/b.jpg", "pictures/c.PNG"]
    for row in rows:
        assert tuple(row) == ("image", "class", "probabilities")
        assert tuple(row["probabilities"]) == CLASS_NAMES
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert row["probabilities"][row["class"]] == max(row["probabilities"].values())


def test_they_are_the_probabilities_that_the_network_gives(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cifar.images import read_image
    from experiments.tracking.loading import load_recorded_model
    from experiments.tracking.store import open_to_read

    run_id = find("latest", TrackingConfig()).run_id
    model = load_recorded_model(open_to_read(TrackingConfig()), run_id)
    expected = model.predict(np.stack([read_image(Path("pictures/b.jpg"))]), verbose=0)[0]
    assert main([run_id[:8], "pictures/b.jpg", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row["probabilities"].values()) == pytest.approx(expected, abs=1e-6)


def test_a_table_is_for_people(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["latest", "pictures/*.png", "pictures/b.jpg", "pictures/a.png"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["image", "class", "then"]
    assert [line.split()[0] for line in lines] == ["pictures/a.png", "pictures/b.jpg"]
    assert all(line.count("%") == 3 for line in lines)


def test_a_name_that_is_no_text_is_shown_all_the_same(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = Path(os.fsdecode(b"caf\xe9.png"))
    shutil.copy("pictures/a.png", picture)
    try:
        assert main(["latest", str(picture)]) == 0
    finally:
        picture.unlink()
    assert "caf\\udce9.png" in capsys.readouterr().out


def test_a_broken_picture_is_told_of_and_the_others_are_done(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", "pictures/note.txt", "pictures/a.png", "gone.png", "--json"]) == 1
    told = capsys.readouterr()
    assert [row["image"] for row in json.loads(told.out)] == ["pictures/a.png"]
    assert told.err.splitlines() == [
        "not read: pictures/note.txt: is no PNG or JPEG",
        "not read: gone.png: No such file or directory",
    ]


def test_a_folder_without_pictures_is_told_of_and_the_others_are_done(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "empty\nfolder").mkdir(exist_ok=True)
    assert main(["best", "empty\nfolder", "pictures/a.png", "*.bmp", "x" * 300, "pictures", "--json"]) == 1
    told = capsys.readouterr()
    assert [row["image"] for row in json.loads(told.out)] == ["pictures/a.png", "pictures/b.jpg", "pictures/c.PNG"]
    assert told.err.splitlines() == [
        "not read: empty\\nfolder: no pictures in this folder",
        "not read: *.bmp: No such file or directory",
        f"not read: {'x' * 300}: File name too long",
    ]


def test_what_is_no_file_is_not_waited_for_and_an_address_is_not_taken_for_a_file(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    shutil.copy("pictures/a.png", tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    address = "https://example.com/cat.png"
    assert main(["best", str(tmp_path), address, str(tmp_path / "pipe.png"), "--json"]) == 1
    shown = capsys.readouterr()
    assert [row["image"] for row in json.loads(shown.out)] == [f"{tmp_path}/a.png"]
    assert shown.err.splitlines() == [
        f"not read: {address}: addresses are not read; fetch the picture first",
        f"not read: {tmp_path}/pipe.png: is no file",
    ]


def test_where_no_picture_can_be_read_there_is_no_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", "gone.png"]) == 1
    assert capsys.readouterr() == ("", "not read: gone.png: No such file or directory\n")
    assert main(["best", "gone.png", "--json"]) == 1
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["best"], "the following arguments are required: images"),
        (["nobody", "pictures/a.png"], "run nobody: there is no such run"),
        (["no\nbo\x1bdy", "pictures/a.png"], r"run no\nbo\x1bdy: there is no such run"),
        (["best", "pictures/a.png", "--uri", "nonsense://x"], "tracking.uri"),
        (["best", "pictures/a.png", "--uri", "sqlite:///typo.db"], "sqlite:///typo.db: there is no such database"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    here: Path, typed: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert told in shown.err
    assert shown.err.count("\n") == 1


def test_its_help_says_how_to_name_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "best, latest or champion" in capsys.readouterr().out
