"""Reads pictures from files and brings them into the form that the networks see."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from cifar.config import IMAGE_SHAPE
from cifar.proof import DataError

FORMATS = ("PNG", "JPEG")
ENDINGS = (".png", ".jpg", ".jpeg")


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """A PNG or JPEG file of any size as (32, 32, 3) RGB.

    The largest square in its middle is taken and made smaller or larger; a camera's note of how it was held is
    followed, and what is transparent becomes white. A picture of 32 x 32 stays as it is, pixel for pixel.

    Raises:
        DataError: it is no file, cannot be read, is no PNG or JPEG, is cut off, or is too large to be a picture.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is no file")  # a pipe would be waited for
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return _as_seen(image)
    except OSError as error:
        reason = error.strerror or ("is no PNG or JPEG" if "identify" in str(error) else str(error))
        raise DataError(f"{path}: {reason}") from None
    except (ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: cannot be read as a picture ({error})") from None


def _as_seen(image: Image.Image) -> npt.NDArray[np.uint8]:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # grey of 16 bits, which Pillow would cut off at 255 instead of scaling it
        upright = Image.fromarray((np.asarray(upright, np.uint32) // 257).astype(np.uint8))
    if "transparency" in upright.info or upright.mode in ("RGBA", "LA", "PA"):
        clear = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    side = min(upright.size)
    left, top = (upright.width - side) // 2, (upright.height - side) // 2
    square = upright.convert("RGB").crop((left, top, left + side, top + side))
    return np.asarray(square.resize((IMAGE_SHAPE[1], IMAGE_SHAPE[0]), Image.Resampling.LANCZOS), np.uint8)
