"""cifar.imports: libraries that are left out, and what garbage collection need not look at."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cifar.compute import UNUSED
from cifar.imports import for_good, without


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of a thousand lists that holds whether garbage was collected while it was imported."""
    (tmp_path / "large_library.py").write_text(
        "import gc\ncollecting = gc.isenabled()\nkept = [[] for _ in range(1000)]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "large_library"
    sys.modules.pop("large_library", None)


def test_a_library_is_not_there_within_and_is_there_afterwards(library: str) -> None:
    with without(library), pytest.raises(ImportError):
        __import__(library)
    assert len(__import__(library).kept) == 1000


def test_a_library_that_was_imported_before_stays(library: str) -> None:
    imported = __import__(library)
    with without(library):
        assert __import__(library) is imported
    assert sys.modules[library] is imported


def test_it_is_there_again_after_an_error(library: str) -> None:
    with pytest.raises(KeyError), without(library):
        raise KeyError
    assert library not in sys.modules


def test_no_garbage_is_looked_for_within_and_never_among_what_was_imported(library: str) -> None:
    frozen = gc.get_freeze_count()
    with for_good(library):
        imported = __import__(library)
    assert not imported.collecting
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + 1000
    assert not any(imported.kept is each for each in gc.get_objects())


def test_of_a_library_that_is_there_nothing_is_frozen(library: str) -> None:
    __import__(library)
    frozen = gc.get_freeze_count()
    with for_good(library):
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_who_had_collection_turned_off_keeps_it_so(library: str) -> None:
    gc.disable()
    try:
        with for_good(library):
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
