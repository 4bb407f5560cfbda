"""The newest good checkpoint is found, damage is passed over and said, and nothing is ever begun anew in silence."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cifar.checkpoints import CheckpointError, Checkpoints, Found
from cifar.config import SGD, Cosine, DataConfig, RunConfig, TrainingConfig
from cifar.durable import MANIFEST, remove_folder
from cifar.snapshots import Snapshot, decisive_settings, encode
from tests.disks import files_at_most, unprivileged

SETTINGS = decisive_settings(RunConfig())
DIGEST = "d" * 64


def snapshot(epoch: int, best: int | None = 1, config: RunConfig | None = None) -> Snapshot:
    return Snapshot(
        weights=[np.full(1000, epoch, np.float32)],
        optimizer=[np.full(1000, -epoch, np.float32)],
        history=[{"loss": 1 / number} for number in range(1, epoch + 1)],
        best_epoch=best,
        best_weights=None,
        seconds=10.0 * epoch,
        settings=decisive_settings(config or RunConfig()),
        data_digest=DIGEST,
    )


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Those of a training that has done five epochs, the second of them the best."""
    kept = Checkpoints(tmp_path / "checkpoints")
    for epoch in range(1, 6):
        kept.save(snapshot(epoch, best=min(epoch, 2)))
    return kept


def names(checkpoints: Checkpoints) -> list[str]:
    return sorted(path.name for path in checkpoints.folder.iterdir())


def load(checkpoints: Checkpoints, config: RunConfig | None = None) -> Found:
    found = checkpoints.load(decisive_settings(config or RunConfig()), DIGEST)
    assert found is not None
    return found


def refusal(checkpoints: Checkpoints, config: RunConfig | None = None, digest: str = DIGEST) -> str:
    with pytest.raises(CheckpointError) as error:
        checkpoints.load(decisive_settings(config or RunConfig()), digest)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- keeping and finding ----------------------------------------------------------------------------


def test_the_last_two_and_the_best_are_kept(checkpoints: Checkpoints) -> None:
    assert names(checkpoints) == ["epoch-0002", "epoch-0004", "epoch-0005"]


def test_the_newest_is_found(checkpoints: Checkpoints) -> None:
    found = load(checkpoints)
    assert (found.snapshot.epoch, found.warnings) == (5, [])
    assert np.array_equal(found.snapshot.weights[0], np.full(1000, 5, np.float32))


def test_the_weights_of_the_best_epoch_are_found(checkpoints: Checkpoints) -> None:
    assert checkpoints.weights_of(2)[0][0] == 2
    with pytest.raises(CheckpointError, match=r"epoch-0003: the weights of the best epoch so far are not there "):
        checkpoints.weights_of(3)


@pytest.mark.parametrize("left", [None, "unfinished-1234"])
def test_where_none_was_ever_whole_there_is_none(tmp_path: Path, left: str | None) -> None:
    if left:
        (tmp_path / left).mkdir()
    assert Checkpoints(tmp_path).load(SETTINGS, DIGEST) is None
    assert Checkpoints(tmp_path / "none").load(SETTINGS, DIGEST) is None


def test_more_than_9999_epochs_stay_in_order(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for epoch in (9999, 10_000):
        checkpoints.save(snapshot(epoch, best=None))
    assert load(checkpoints).snapshot.epoch == 10_000


# --- damage -----------------------------------------------------------------------------------------


def cut_to(percent: int) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        content = (folder / "weights.npz").read_bytes()
        (folder / "weights.npz").write_bytes(content[: len(content) * percent // 100])

    return cut


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "optimizer.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "optimizer.npz").write_bytes(content)


def empty_metadata(folder: Path) -> None:
    (folder / "training.json").write_bytes(b"")


def lose_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def lose_a_file(folder: Path) -> None:
    (folder / "best.npz").unlink()


def change_metadata(folder: Path) -> None:
    state = (folder / "training.json").read_text()
    (folder / "training.json").write_text(state.replace('"model.filters": 32', '"model.filters": 33'))


DAMAGES = {
    "cut to 0 %": cut_to(0),
    "cut to 50 %": cut_to(50),
    "cut to 99 %": cut_to(99),
    "a bit flipped": flip_a_bit,
    "metadata empty": empty_metadata,
    "no manifest": lose_manifest,
    "a file missing": lose_a_file,
    "metadata changed": change_metadata,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_one_is_passed_over_for_the_one_before_and_said(
    checkpoints: Checkpoints, damage: Callable[[Path], None]
) -> None:
    damage(checkpoints.folder / "epoch-0005")
    found = load(checkpoints)
    assert found.snapshot.epoch == 4
    (warning,) = found.warnings
    where = re.escape(str(checkpoints.folder / "epoch-0005"))
    assert re.fullmatch(rf"{where} is damaged: (\w|\.)+ .+; going back to epoch 4", warning)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_if_none_is_good_it_refuses_and_names_each(checkpoints: Checkpoints, damage: Callable[[Path], None]) -> None:
    for name in names(checkpoints):
        damage(checkpoints.folder / name)
    message = refusal(checkpoints)
    for name in names(checkpoints):
        assert f"{checkpoints.folder / name} is damaged: " in message
    assert message.endswith(". None is left to go on from: to begin anew, remove the folder")


def test_the_best_is_the_last_resort(checkpoints: Checkpoints) -> None:
    for name in ("epoch-0005", "epoch-0004"):
        lose_manifest(checkpoints.folder / name)
    found = load(checkpoints)
    assert (found.snapshot.epoch, len(found.warnings)) == (2, 2)


def test_a_training_that_went_back_takes_the_place_of_what_was_damaged(checkpoints: Checkpoints) -> None:
    for name in ("epoch-0005", "epoch-0004"):
        lose_manifest(checkpoints.folder / name)
    checkpoints.save(snapshot(3, best=2))
    assert names(checkpoints) == ["epoch-0002", "epoch-0003"]
    checkpoints.save(snapshot(4, best=2))
    assert load(checkpoints).snapshot.epoch == 4


def test_a_folder_under_another_name_is_noticed(checkpoints: Checkpoints) -> None:
    (checkpoints.folder / "epoch-0005").rename(checkpoints.folder / "epoch-0006")
    assert load(checkpoints).warnings == [
        f"{checkpoints.folder / 'epoch-0006'} is damaged: it holds epoch 5; going back to epoch 4"
    ]


# --- other settings, other images -------------------------------------------------------------------


def test_a_setting_that_came_later_has_the_value_that_checkpoints_without_it_were_made_with(tmp_path: Path) -> None:
    older = Checkpoints(tmp_path / "older")
    made = snapshot(1)
    del made.settings["data.random_flip"]
    older.save(made)
    assert load(older).snapshot.epoch == 1
    message = refusal(older, RunConfig(data=DataConfig(random_flip=True)))
    assert "made with data.random_flip=false (now true)" in message


def test_other_settings_are_named_with_both_values(checkpoints: Checkpoints) -> None:
    other = RunConfig(optimizer=SGD(learning_rate=0.01), training=TrainingConfig(batch_size=64), seed=1)
    message = refusal(checkpoints, other)
    for difference in (
        "optimizer.name=rmsprop (now sgd)",
        "optimizer.learning_rate=0.0005 (now 0.01)",
        "optimizer.rho=0.9 (now unset)",
        "optimizer.nesterov=unset (now false)",
        "training.batch_size=32 (now 64)",
        "seed=0 (now 1)",
    ):
        assert difference in message
    assert message.startswith(f"{checkpoints.folder}: made with ")
    assert message.endswith(". A training goes on with the settings that it began with")


def test_more_epochs_are_no_other_setting(checkpoints: Checkpoints) -> None:
    longer = RunConfig(training=TrainingConfig(epochs=50, max_minutes=1, early_stopping_patience=3))
    assert load(checkpoints, longer).snapshot.epoch == 5


def test_a_schedule_that_spans_the_training_cannot_be_extended(tmp_path: Path) -> None:
    checkpoints, config = Checkpoints(tmp_path), RunConfig(schedule=Cosine())
    checkpoints.save(snapshot(3, config=config))
    assert load(checkpoints, config).snapshot.epoch == 3
    assert refusal(checkpoints, RunConfig(schedule=Cosine(), training=TrainingConfig(epochs=50))) == (
        f"{tmp_path}: made with training.epochs=15 (now 50). A training goes on with the settings that it began with; "
        "schedule=cosine stretches over all epochs of a training"
    )
    assert refusal(checkpoints, RunConfig(schedule=Cosine(), seed=1)).endswith(
        "made with seed=0 (now 1). A training goes on with the settings that it began with"
    )


def test_other_images_are_refused_with_both_digests(checkpoints: Checkpoints) -> None:
    assert refusal(checkpoints, digest="e" * 64) == (
        f"{checkpoints.folder}: made from other images (digest dddddddddddd, now eeeeeeeeeeee). "
        "A training goes on with the images that it began with"
    )


# --- a disk that does not do as it is told ------------------------------------------------------------


@pytest.fixture
def readable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkpoints]:
    """Checkpoints in a folder that can be read by all and written by none."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        checkpoints = Checkpoints(Path(parent, "checkpoints"))
        checkpoints.save(snapshot(1))
        for path in (checkpoints.folder, *checkpoints.folder.rglob("*")):
            path.chmod(0o555)
        yield checkpoints
        checkpoints.folder.chmod(0o755)
        (checkpoints.folder / "epoch-0001").chmod(0o755)


def test_a_full_disk_is_one_line_with_path_and_bytes_and_the_last_good_one_stays(checkpoints: Checkpoints) -> None:
    before = {path: path.read_bytes() for path in checkpoints.folder.rglob("*") if path.is_file()}
    size = sum(map(len, encode(snapshot(6, best=2)).values()))
    with files_at_most(3000), pytest.raises(CheckpointError) as error:
        checkpoints.save(snapshot(6, best=2))
    assert re.fullmatch(
        rf"{re.escape(str(checkpoints.folder))}/epoch-0006: cannot be written \(File too large\): {size:,} bytes, "
        r"[\d,]+ are free\. Make room, or train without checkpoints: training\.checkpoint_every=0; "
        r"the checkpoints before it are untouched",
        str(error.value),
    )
    assert before == {path: path.read_bytes() for path in checkpoints.folder.rglob("*") if path.is_file()}
    assert names(checkpoints) == ["epoch-0002", "epoch-0004", "epoch-0005"]
    assert load(checkpoints).snapshot.epoch == 5


def test_a_folder_that_cannot_be_written_is_one_line(readable: Checkpoints) -> None:
    with unprivileged():
        with pytest.raises(CheckpointError, match=r"/epoch-0002: cannot be written \(Permission denied\): "):
            readable.save(snapshot(2))
        assert load(readable).snapshot.epoch == 1
    assert names(readable) == ["epoch-0001"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    checkpoints = Checkpoints(tmp_path / "file" / "checkpoints")
    with pytest.raises(CheckpointError, match=r"/epoch-0001: cannot be written \(Not a directory\): "):
        checkpoints.save(snapshot(1))


def test_a_locked_folder_is_not_taken_for_an_empty_one(readable: Checkpoints) -> None:
    readable.folder.chmod(0o000)
    with unprivileged():
        assert refusal(readable) == f"{readable.folder}: the checkpoints cannot be read (Permission denied)"


def test_what_cannot_be_removed_does_not_come_back(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.rmtree", lambda path, ignore_errors: None)
    remove_folder(checkpoints.folder / "epoch-0005")
    assert load(checkpoints).snapshot.epoch == 4
