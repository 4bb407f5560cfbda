"""cifar.imports: libraries that are left out, and what garbage collection need not look at."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cifar.compute import UNUSED
from cifar.imports import first_import


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of a thousand lists that holds whether garbage was collected while it was imported."""
    (tmp_path / "large_library.py").write_text(
        "import gc\ncollecting = gc.isenabled()\nkept = [[] for _ in range(1000)]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "large_library"
    sys.modules.pop("large_library", None)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[str]:
    """A module that the library could import."""
    (tmp_path / "other_library.py").write_text("answer = 42\n")
    yield "other_library"
    sys.modules.pop("other_library", None)


def test_what_it_is_to_do_without_is_missing_within_and_there_afterwards(library: str, other: str) -> None:
    with first_import(library, without=(other,)):
        with pytest.raises(ImportError):
            __import__(other)
        __import__(library)
    assert __import__(other).answer == 42


def test_what_was_imported_before_stays(library: str, other: str) -> None:
    imported = __import__(other)
    with first_import(library, without=(other,)):
        assert __import__(other) is imported
    assert sys.modules[other] is imported


def test_after_an_error_nothing_is_missing_and_garbage_is_collected_again(library: str, other: str) -> None:
    with pytest.raises(KeyError), first_import(library, without=(other,)):
        raise KeyError
    assert other not in sys.modules
    assert gc.isenabled()


def test_no_garbage_is_looked_for_within_and_never_among_what_was_imported(library: str) -> None:
    frozen = gc.get_freeze_count()
    with first_import(library):
        imported = __import__(library)
    assert not imported.collecting
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + 1000
    assert not any(imported.kept is each for each in gc.get_objects())


def test_of_a_library_that_is_there_nothing_is_frozen_or_hidden(library: str, other: str) -> None:
    __import__(library)
    frozen = gc.get_freeze_count()
    with first_import(library, without=(other,)):
        assert gc.isenabled()
        assert __import__(other).answer == 42
    assert gc.get_freeze_count() == frozen


def test_who_had_collection_turned_off_keeps_it_so(library: str) -> None:
    gc.disable()
    try:
        with first_import(library):
            __import__(library)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_keras_is_imported_without_what_nothing_uses_and_all_of_that_can_be_imported_later() -> None:
    code = (
        "import sys\nfrom cifar.compute import UNUSED, prepare\nfrom cifar.config import ComputeConfig\n"
        "prepare(ComputeConfig(device='cpu'))\nassert 'keras' in sys.modules\n"
        "print(*[name for name in (*UNUSED, 'jax', 'scipy', 'sklearn') if name in sys.modules])\nimport importlib\n"
        "print(*[importlib.import_module(name).__name__ for name in UNUSED])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", " ".join(UNUSED)]
