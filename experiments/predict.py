"""What a recorded network sees in pictures: python -m experiments.predict RUN IMAGE..."""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import argparse
import glob
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cifar.config import CLASS_NAMES, ComputeConfig
from cifar.fields import printable
from cifar.proof import DataError
from experiments.frame import answer, new_parser
from experiments.tracking.config import TrackingConfig
from experiments.tracking.finding import find, is_folder
from experiments.tracking.reading import refuse_missing

if TYPE_CHECKING:
    import numpy as np

BATCH = 250
SHOWN = 3
"""The most probable classes of each picture, in the table."""

HELP = """\
Tells what the network of a run sees in pictures: PNG or JPEG files of any size, folders of them, or patterns.

  python -m experiments.predict RUN IMAGE...
  python -m experiments.predict best holiday/ 'more/*.jpg'
  python -m experiments.predict champion cat.png --json

RUN      MLflow's id, the beginning of it, the run's name or folder; best, latest or champion
--json   a list of objects with image, class and probabilities
--uri    another store than mlflow.db here, or $MLFLOW_TRACKING_URI

The largest square in the middle of a picture is taken and brought to 32 x 32 pixels. A picture that cannot be read, and
a folder without pictures, is told of and the others are still done; the exit code is then 1.
"""


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 all done, 1 a picture cannot be read, 2 it is the user's to mend."""
    return answer(argv, HELP, _tell_apart)


def _tell_apart(argv: list[str]) -> int:
    typed = _arguments(argv)
    config = TrackingConfig(uri=typed.uri)
    refuse_missing(config)
    images, unreadable = _read(typed.images)
    probabilities = _predict(typed.run, config, [*images.values()])
    rows = [_row(path, row) for path, row in zip(images, probabilities, strict=True)]
    if typed.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        Console().print(_table(rows))
    for reason in unreadable:
        print(f"not read: {printable(reason)}", file=sys.stderr)
    return 1 if unreadable else 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = new_parser("predict")
    parser.add_argument("run")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--uri")
    return parser.parse_args(argv)


def _read(named: Sequence[str]) -> tuple[dict[Path, np.ndarray], list[str]]:
    """The pictures that can be read, one after another as they were named, and why the others cannot."""
    from cifar.images import read_image

    images: dict[Path, np.ndarray] = {}
    unreadable = [f"{name}: addresses are not read; fetch the picture first" for name in named if _is_address(name)]
    names = [name for name in named if not _is_address(name)]
    for file in dict.fromkeys(chain.from_iterable(map(_files, names))):
        try:
            images[file] = read_image(file)
        except DataError as error:
            unreadable.append(f"{file}: no pictures in this folder" if is_folder(str(file)) else str(error))
    return images, unreadable


def _is_address(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def _files(name: str) -> list[Path]:
    """The files of a folder or a pattern, in the order of their names; the name itself if it stands for no others."""
    from cifar.images import ENDINGS

    found: list[Path] = []
    if is_folder(name):
        with suppress(PermissionError):
            found = [path for path in Path(name).iterdir() if path.suffix.lower() in ENDINGS and path.is_file()]
    elif glob.has_magic(name) and not os.path.exists(name):  # noqa: PTH110  (no name is too long for it)
        found = [path for path in map(Path, glob.iglob(name, recursive=True)) if path.is_file()]  # noqa: PTH207
    return sorted(found) or [Path(name)]


def _predict(named: str, config: TrackingConfig, images: Sequence[np.ndarray]) -> np.ndarray:
    """The probabilities of the ten classes for each picture, from the network of a run."""
    import numpy as np

    from cifar import compute
    from experiments.tracking.loading import load_recorded_model
    from experiments.tracking.model import HASH_TAG
    from experiments.tracking.store import open_to_read

    console = Console(stderr=True)
    with console.status("loading the network") if console.is_terminal else nullcontext():
        found = find(named, config, having=HASH_TAG)
        store = open_to_read(config)
        compute.prepare(ComputeConfig(device="cpu"))  # a GPU takes longer to start
        model = load_recorded_model(store, found.run_id)
    if not images:
        return np.zeros((0, len(CLASS_NAMES)))
    return np.asarray(model.predict(np.stack(images), batch_size=BATCH, verbose=0))


def _row(path: Path, probabilities: np.ndarray) -> dict[str, Any]:
    named = {name: round(float(share), 6) for name, share in zip(CLASS_NAMES, probabilities, strict=True)}
    return {"image": str(path), "class": max(named, key=lambda name: named[name]), "probabilities": named}


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table("image", "class", "", "then", box=None, pad_edge=False)
    for row in rows:
        ranked = sorted(row["probabilities"].items(), key=lambda pair: -pair[1])[:SHOWN]
        others = ", ".join(f"{name} {share:.1%}" for name, share in ranked[1:])
        table.add_row(Text(printable(row["image"])), Text(row["class"], "bold"), f"{ranked[0][1]:.1%}", others)
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
