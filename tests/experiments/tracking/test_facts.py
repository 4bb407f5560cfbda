from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.tracking.dataset import INPUT_FACTS
from experiments.tracking.facts import Measurement, facts_of, whole_facts
from experiments.tracking.journal import Entry
from experiments.tracking.service import TrackingError

BEGIN = Entry(1, 1000, "begin", {"id": "i", "name": "n", "experiment": "e", "parent": None})


def entries(*told: tuple[str, dict[str, Any]]) -> list[Entry]:
    return [BEGIN, *(Entry(number, 1000 + number, kind, facts) for number, (kind, facts) in enumerate(told, start=2))]


def test_a_journal_tells_all_of_a_run(tmp_path: Path) -> None:
    facts = whole_facts(
        entries(
            ("params", {"values": {"a": "1"}}),
            ("params", {"values": {"b": "2"}}),
            ("tags", {"values": {"t": "old"}}),
            ("metrics", {"values": [["loss", 0.5, 7, 1], ["broken", None, 7, 1]]}),
            ("inputs", {"values": [dict.fromkeys(INPUT_FACTS, "x") | {"tags": {"a": "b"}}]}),
            ("artifact", {"name": "a/b.txt", "file": "artifacts/a/b.txt"}),
            ("artifact", {"name": "a/b.txt", "file": "artifacts/a/b.txt"}),
            ("model", {"name": "model", "folder": "model"}),
            ("tags", {"values": {"t": "new"}}),
            ("end", {"status": "FINISHED"}),
            ("stored", {"run_id": "r"}),
        ),
        tmp_path,
    )
    assert (facts.identity, facts.name, facts.experiment, facts.began) == ("i", "n", "e", 1000)
    assert (facts.params, facts.tags) == ({"a": "1", "b": "2"}, {"t": "new"})
    assert facts.metrics == [Measurement("loss", 0.5, 7, 1), Measurement("broken", None, 7, 1)]
    assert (facts.artifacts, facts.rewritten) == ({"a/b.txt": tmp_path / "artifacts/a/b.txt"}, {"a/b.txt"})
    assert [(model.key, model.folder) for model in facts.models] == [("9", tmp_path / "model")]
    assert (facts.status, facts.ended, facts.assumed) == ("FINISHED", 1011, False)
    assert (facts.seal_tag, facts.seal) == ("journal.seq", "11"), "where it is stored is not part of it"


def test_a_run_without_an_end_was_killed_at_its_last_line(tmp_path: Path) -> None:
    facts = whole_facts(entries(("metrics", {"values": []})), tmp_path)
    assert (facts.status, facts.ended, facts.assumed) == ("KILLED", 1002, True)


def test_a_run_that_was_taken_up_again_ends_with_its_last_end(tmp_path: Path) -> None:
    again = [("end", {"status": "KILLED"}), ("resume", {}), ("end", {"status": "FINISHED"})]
    assert whole_facts(entries(*again), tmp_path).status == "FINISHED"
    assert whole_facts(entries(*again[:2]), tmp_path).status == "KILLED"
    assert facts_of(BEGIN, entries(*again[:2]), tmp_path).status is None


def test_a_journal_of_a_run_that_began_elsewhere_has_a_mark_of_its_own(tmp_path: Path) -> None:
    begin = Entry(1, 1, "begin", {"id": "own-4567890", "run": "theirs", "run_id": "r", "name": "n", "experiment": "e"})
    facts = whole_facts([begin], tmp_path)
    assert (facts.identity, facts.run_id, facts.seal_tag) == ("theirs", "r", "journal.seq.own-4567")


def test_kinds_of_a_newer_version_are_named(tmp_path: Path) -> None:
    assert whole_facts(entries(("hologram", {}), ("end", {"status": "FINISHED"})), tmp_path).unknown == {"hologram"}


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("metrics", {}),
        ("metrics", {"values": [["loss"]]}),
        ("metrics", {"values": 3}),
        ("params", {"values": 3}),
        ("artifact", {"name": "a"}),
        ("artifact", {"name": "a", "file": "../../etc/passwd"}),
        ("artifact", {"name": "a", "file": "/etc/passwd"}),
        ("model", {"name": "a", "folder": "/etc"}),
        ("metrics", {"values": [["loss", [1], 7, 1]]}),
        ("metrics", {"values": [["loss", "0.5", 7, 1]]}),
        ("metrics", {"values": [["loss", 10**400, 7, 1]]}),
        ("metrics", {"values": [[5, 0.5, 7, 1]]}),
        ("metrics", {"values": [["loss", 0.5, 10**30, 1]]}),
        ("metrics", {"values": [["loss", 0.5, 7, 2**63]]}),
        ("metrics", {"values": [["loss", 0.5, 7, 1.5]]}),
        ("params", {"values": {"a": {"b": "1"}}}),
        ("tags", {"values": {"a": None}}),
        ("tags", {"values": {"a": "\udcff"}}),
        ("inputs", {"values": [{}]}),
        ("inputs", {"values": [dict.fromkeys(INPUT_FACTS, "x") | {"tags": {"a": 1}}]}),
        ("artifact", {"name": 5, "file": "artifacts/a"}),
        ("artifact", {"name": "a", "file": "a\0b"}),
        ("model", {"name": "a", "folder": "model", "step": "1"}),
        ("end", {}),
        ("end", {"status": "RUNNING"}),
        ("end", {"status": 7}),
    ],
)
def test_a_line_that_lacks_something_is_named(tmp_path: Path, kind: str, facts: dict[str, Any]) -> None:
    with pytest.raises(TrackingError, match=rf"journal\.jsonl: line 2 \({kind}\) does not tell what it should"):
        whole_facts(entries((kind, facts)), tmp_path)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "artifacts").symlink_to("/etc")
    with pytest.raises(TrackingError, match="does not tell what it should"):
        whole_facts(entries(("artifact", {"name": "a", "file": "artifacts/hostname"})), tmp_path)


def test_an_artifact_that_is_a_link_or_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    for file in ("folder", "link"):
        with pytest.raises(TrackingError, match="does not tell what it should"):
            whole_facts(entries(("artifact", {"name": "a", "file": file})), tmp_path)
    assert whole_facts(entries(("artifact", {"name": "a", "file": "file"})), tmp_path).artifacts


def test_a_journal_without_a_beginning_is_refused(tmp_path: Path) -> None:
    for wrong in ([], [Entry(1, 1, "end", {"status": "FINISHED"})]):
        with pytest.raises(TrackingError, match="its journal has no beginning"):
            whole_facts(wrong, tmp_path)


@pytest.mark.parametrize("wrong", [{"id": 5}, {"name": ["n"]}, {"experiment": None}, {"parent": 5}, {"run_id": ["r"]}])
def test_a_beginning_of_other_kinds_is_named(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(TrackingError, match=r"line 1 \(begin\) does not tell what it should"):
        whole_facts([replace(BEGIN, facts={**BEGIN.facts, **wrong})], tmp_path)
    with pytest.raises(TrackingError, match=r"line 1 \(begin\) does not tell what it should"):
        whole_facts([replace(BEGIN, at=10**30)], tmp_path)


@pytest.mark.parametrize(
    ("value", "kept"),
    [(math.nan, None), (math.inf, None), (-math.inf, None), (np.float32(0.5), 0.5), (3, 3.0), (1e308, 1e308)],
)
def test_a_value_that_is_no_number_is_none(value: float, kept: float | None) -> None:
    assert Measurement.of("loss", value, 1, 2) == Measurement("loss", kept, 1, 2)
