"""A snapshot comes back bit for bit, without pickles, and names every setting that decides its bits."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from cifar.config import MODELS, OPTIMIZERS, SCHEDULES, RunConfig
from cifar.durable import DamagedError
from cifar.fields import flatten
from cifar.snapshots import FILES, UNDECISIVE, Snapshot, decisive_settings, decode, encode


def snapshot(**changed: object) -> Snapshot:
    rng = np.random.default_rng(0)
    values: dict[str, object] = {
        "weights": [rng.normal(size=(2, 3)).astype(np.float32), np.array([np.nan, -0.0, 1e-45], np.float32)],
        "optimizer": [np.array(7, np.int64), np.array(2.0**15, np.float32), np.array(True)],
        "history": [{"loss": 0.1 + 0.2, "seconds": 1 / 3}, {"loss": math.inf}],
        "best_epoch": 1,
        "best_weights": [np.ones(3, np.float32)],
        "seconds": 1.1,
        "settings": decisive_settings(RunConfig()),
        "data_digest": "0" * 64,
    }
    return Snapshot(**(values | changed))  # type: ignore[arg-type]


def test_it_comes_back_bit_for_bit() -> None:
    saved = snapshot()
    loaded = decode(encode(saved))
    for name in ("weights", "optimizer", "best_weights"):
        for one, other in zip(getattr(saved, name), getattr(loaded, name), strict=True):
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    for name in ("history", "best_epoch", "seconds", "settings", "data_digest", "epoch"):
        assert getattr(saved, name) == getattr(loaded, name)


def test_more_than_ten_arrays_keep_their_order() -> None:
    arrays = [np.full(index, index) for index in range(25)]
    assert [len(array) for array in decode(encode(snapshot(optimizer=arrays))).optimizer] == list(range(25))


def test_what_there_is_not_stays_so() -> None:
    loaded = decode(encode(snapshot(best_epoch=None, best_weights=None)))
    assert (loaded.best_epoch, loaded.best_weights) == (None, None)


def test_the_state_is_plain_json() -> None:
    state = json.loads(encode(snapshot())["training.json"])
    assert (state["epoch"], state["settings"]["model.name"]) == (2, "model1")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> object:
            return Path.touch, (tmp_path / "exploded",)

    stream = io.BytesIO()
    np.savez(stream, np.array([Bomb()], dtype=object))
    with pytest.raises(DamagedError, match=r"^it holds no checkpoint \(ValueError: Object arrays cannot be loaded"):
        decode({**encode(snapshot()), "weights.npz": stream.getvalue()})
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"PK\x03\x04"])
def test_what_something_else_wrote_is_refused(name: str, content: bytes) -> None:
    with pytest.raises(DamagedError, match=r"^it holds no checkpoint"):
        decode({**encode(snapshot()), name: content})


def test_another_format_is_refused_with_both_numbers() -> None:
    files = encode(snapshot())
    files["training.json"] = files["training.json"].replace(b'"format": 1', b'"format": 2')
    with pytest.raises(DamagedError, match=r"^training\.json is of format 2, and this version reads 1$"):
        decode(files)


def test_every_setting_decides_unless_it_is_known_not_to() -> None:
    for model in MODELS.values():
        for optimizer in OPTIMIZERS.values():
            config = RunConfig(model=model(), optimizer=optimizer())  # type: ignore[call-arg]
            assert decisive_settings(config).keys() == flatten(config).keys() - UNDECISIVE
    assert flatten(RunConfig()).keys() > UNDECISIVE


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_number_of_epochs_decides_only_where_the_schedule_spans_them(name: str) -> None:
    config = RunConfig(schedule=SCHEDULES[name]())  # type: ignore[call-arg]
    assert ("training.epochs" in decisive_settings(config)) == (name == "cosine")
