from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cifar.fields import ConfigError
from experiments.commandline import CommandLine
from experiments.folders import (
    CONFIG_FILE,
    hydra_arguments,
    new_folder,
    option,
    redact_files,
    typed_folder,
    write_config,
)


def test_a_folder_is_named_after_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = new_folder("outputs")
    assert folder.is_dir()
    assert re.fullmatch(r"outputs/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_[0-9a-f]{4}", str(folder))


def test_runs_that_start_in_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_folder(str(tmp_path)), range(200)))
    assert len(set(folders)) == 200


def test_a_name_that_is_taken_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("experiments.folders.time.strftime", lambda _: "now")
    monkeypatch.setattr("experiments.folders.secrets.token_hex", lambda _: next(ids))
    assert [new_folder(str(tmp_path)).name for _ in range(2)] == ["now_aaaa", "now_bbbb"]


@pytest.mark.parametrize(
    ("overrides", "value"),
    [
        ([], None),
        (["seed=1"], "1"),
        (["seed=1", "seed=2"], "2"),
        (["seed="], ""),
        (["seeds=1", "x.seed=2"], None),
        (["seed='a=b'"], "a=b"),
        (["seed='it\\'s'"], "it's"),
        (["++seed=1,2"], "1,2"),
        (["seed=007"], "007"),
        (["seed='x"], "'x"),
    ],
)
def test_of_what_was_typed_twice_the_last_counts(overrides: list[str], value: str | None) -> None:
    assert option(overrides, "seed") == value


def typed(*overrides: str) -> CommandLine:
    return CommandLine(multirun=False, jobs=1, overrides=list(overrides))


def test_flags_stay_before_the_overrides_and_the_folder_comes_last() -> None:
    argv = ["-m", "seed=1,2", "--config-dir", "mine"]
    assert hydra_arguments(argv, typed("seed=1,2"), ["hydra.sweep.dir=x"]) == [
        "-m",
        "--config-dir",
        "mine",
        "seed=1,2",
        "hydra.sweep.dir=x",
    ]


def test_a_folder_that_was_typed_is_made_with_those_above_it_and_left_as_it_is(tmp_path: Path) -> None:
    name = str(tmp_path / "a" / "it's")
    for _ in range(2):
        assert typed_folder("hydra.run.dir", name) == Path(name)
        assert list(Path(name).iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "File exists"),
        ("/etc/passwd/x", "Not a directory"),
        ("/proc/x", "No such file or directory"),
        ("/proc", "No such file or directory"),
    ],
)
def test_a_folder_that_cannot_be_made_or_written_to_is_named_as_it_was_typed(name: str, reason: str) -> None:
    with pytest.raises(ConfigError) as error:
        typed_folder("hydra.run.dir", name)
    assert str(error.value) == f"hydra.run.dir={name}: expected a folder that can be written to ({reason})"


def test_secrets_are_taken_out_of_what_hydra_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary-token")
    (tmp_path / "multirun.yaml").write_text("uri: https://me:canary@host/\nnote: canary-token\n")
    (tmp_path / "plain.yaml").write_text("seed: 1\n")
    before = (tmp_path / "plain.yaml").stat()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(redact_files, [tmp_path] * 8))
    assert (tmp_path / "multirun.yaml").read_text() == "uri: https://***@host/\nnote: ***\n"
    assert (tmp_path / "plain.yaml").stat() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_configuration_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    write_config(tmp_path, "seed: 1\n")
    write_config(tmp_path, "seed: 2\n")
    assert (tmp_path / CONFIG_FILE).read_text() == "seed: 2\n"
    assert [path.name for path in (tmp_path / ".hydra").iterdir()] == ["config.yaml"]
