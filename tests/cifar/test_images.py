"""Pictures of any size come out as the networks see them; what is no picture is refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cifar.images import read_image
from cifar.proof import DataError


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_a_picture_of_the_networks_size_stays_as_it_is(tmp_path: Path) -> None:
    pixels = noise(32, 32)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), pixels)


def test_the_square_in_the_middle_is_taken(tmp_path: Path) -> None:
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 32:96] = (10, 200, 30)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    found = read_image(tmp_path / "wide.png")
    assert found.shape == (32, 32, 3)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - (10, 200, 30)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (7, 900), (33, 32), (500, 400)])
def test_any_size_will_do(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.fromarray(noise(*size)).save(tmp_path / "a.JPG", "JPEG")
    assert read_image(tmp_path / "a.JPG").shape == (32, 32, 3)


def test_grey_palettes_and_transparency_become_colours(tmp_path: Path) -> None:
    Image.fromarray(np.full((32, 32), 7, np.uint8)).save(tmp_path / "grey.png")
    assert (read_image(tmp_path / "grey.png") == 7).all()
    clear = np.zeros((32, 32, 4), np.uint8)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png") == 255).all()
    Image.fromarray(noise(32, 32)).quantize(8).save(tmp_path / "palette.png")
    assert read_image(tmp_path / "palette.png").shape == (32, 32, 3)


def test_how_a_camera_was_held_is_followed(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16] = 255
    turned = Image.fromarray(pixels)
    exif = turned.getexif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "a.png", exif=exif)
    assert (read_image(tmp_path / "a.png")[16:] == 255).all()


def test_what_is_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    Image.fromarray(noise(64, 64)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    Image.fromarray(noise(8, 8)).save(tmp_path / "a.gif")
    (tmp_path / "gif.png").write_bytes((tmp_path / "a.gif").read_bytes())
    for name in ("text", "empty", "gif"):
        with pytest.raises(DataError, match=rf"{name}\.png: is no PNG or JPEG"):
            read_image(tmp_path / f"{name}.png")
    for name in ("cut.png", "nowhere.png", "."):
        with pytest.raises(DataError) as error:
            read_image(tmp_path / name)
        assert str(error.value).startswith(f"{tmp_path / name}: ")


def test_a_pipe_that_nobody_writes_to_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError) as error:
        read_image(tmp_path / "pipe.png")
    assert str(error.value) == f"{tmp_path}/pipe.png: is no file"


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match=r"bomb\.png: cannot be read as a picture \(Image size"):
        read_image(tmp_path / "bomb.png")


def test_grey_of_16_bits_is_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.full((32, 32), 30_000, np.uint16)).save(tmp_path / "scan.png")
    with Image.open(tmp_path / "scan.png") as saved:
        assert saved.mode.startswith("I")
    assert (read_image(tmp_path / "scan.png") == 30_000 // 257).all()
