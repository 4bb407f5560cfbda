"""What a report begins with: a few plain sentences that say what was found, and what to be careful about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from experiments.results.beside import Row
from experiments.results.boards import Board
from experiments.results.overview import Overview
from experiments.results.sorting import Heaps
from experiments.results.sweep_summary import SweepSummary
from experiments.results.wording import count, interval, listed, percent, settings
from experiments.tracking.journal import now
from experiments.tracking.life import judge, last_heartbeat
from experiments.tracking.reading import RecordedRun
from experiments.tracking.words import REAL


def findings(found: Overview, sweeps: bool = True) -> list[str]:
    """The sentences, the most telling first; `sweeps`: with what those came to."""
    told = _sweeps(found.sweeps) if sweeps else ()
    return [*_what(found), *_document(found.document), *_boards(found.boards), *told]


def _what(found: Overview) -> Iterator[str]:
    groups = sum(len(board.groups) for board in found.boards)
    trained = sum(len(group.runs) for board in found.boards for group in board.groups)
    sweeps = f", and {count(len(found.sweeps), 'sweep')} of {count(sum(s.trials for s in found.sweeps), 'trial')}"
    yield (
        f"{count(trained, 'finished training')} in {count(groups, 'different setting')}"
        f"{sweeps if found.sweeps else ''}."
    )


def _document(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        if row.repeated is None or row.repeated.test is None or row.less is None:
            continue
        test = row.repeated.test
        side = "above" if row.less >= 0 else "below"
        if row.agrees is None:
            sure = "; one seed does not say how much of that is luck"
        elif row.agrees:
            sure = "; the 95 % interval holds the document's figure"
        else:
            sure = "; the 95 % interval does not hold the document's figure"
        yield (
            f"{row.model}, trained as the document has it, scores {percent(test)} % on the test images (n = {test.n}): "
            f"{abs(100 * row.less):.2f} points {side} the document's {100 * row.accuracy:.2f} %{sure}."
        )


def _boards(boards: Iterable[Board]) -> Iterator[str]:
    for board in boards:
        if board.ranked:
            yield _best(board)
            yield from _one_seed(board)


def _best(board: Board) -> str:
    first = board.ranked[0]
    assert first.validation is not None
    tied = sum(group.place is not None and group.place.number == 1 for group in board.ranked) - 1
    where = "" if board.data == REAL else f" of {board.data or 'unknown data'}"
    within = f", 95 % interval {interval(first.validation)} %" if first.validation.n > 1 else ""
    test = f"; on the test images it scores {percent(first.test)} %" if first.test else ""
    rest = len(board.ranked) - 1
    if not rest:
        ties = ""
    elif tied:
        ties = f" {count(tied, 'other setting')} of {rest:,} cannot be told from it."
    else:
        ties = f" It can be told from {'the other setting' if rest == 1 else f'all {rest:,} others'}."
    return (
        f"The best setting by validation images{where} is {settings(first.settings, board.columns)}, with "
        f"{percent(first.validation)} % (n = {first.validation.n}{within}){test}.{ties}"
    )


def _one_seed(board: Board) -> Iterator[str]:
    single = sum(group.validation is not None and group.validation.n == 1 for group in board.ranked)
    if single:
        yield (
            f"{count(single, 'setting has', 'settings have')} one seed only. What is told of them allows for the "
            "number of validation images, not for the luck of a seed: try more with -m seed=1,2,3."
        )


def _sweeps(sweeps: Iterable[SweepSummary]) -> Iterator[str]:
    for sweep in sweeps:
        if sentence := sweep.difference:
            yield f"Sweep {sweep.name}: {sentence[0].lower()}{sentence[1:]}"


def counted(heaps: Heaps) -> list[str]:
    """What is not on a board, counted and named shortly."""
    lines = []
    gone = [run for run in heaps.going_on if _is_gone(run)]
    if going_on := [run for run in heaps.going_on if run not in gone]:
        lines.append(f"{count(len(going_on), 'run')} going on: {_named(going_on)}.")
    if gone:
        lines.append(
            f"{count(len(gone), 'run has lost its process', 'runs have lost their process')}: {_named(gone)}. "
            "To close them: python -m experiments.doctor --fix."
        )
    if heaps.failed:
        why = [f"{run.name or run.run_id[:8]} ({_reason(run)})" for run in heaps.failed]
        lines.append(f"{count(len(heaps.failed), 'run')} failed or stopped: {listed(why, 3)}.")
    if heaps.others:
        lines.append(f"{count(heaps.others, 'run')} of other projects, without model.name: left out.")
    return lines


def _is_gone(run: RecordedRun) -> bool:
    """Whether the process that a run belongs to does not live any more, as far as anybody can tell."""
    heard = max(run.began, last_heartbeat(run.tags) or 0)
    return judge(run.tags, heard, now()).alive is False


def _named(runs: Iterable[RecordedRun]) -> str:
    return listed([run.name or run.run_id[:8] for run in runs])


def _reason(run: RecordedRun) -> str:
    told = " ".join((run.tags.get("error") or run.tags.get("stop_reason") or run.status.lower()).split())
    return told if len(told) <= LONGEST else told[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


LONGEST = 80
"""Characters of a reason; the run has all of it."""
