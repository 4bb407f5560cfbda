"""The figures of benchmarks.sweep as a table, and beside them what was to be reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import (
    Goal,
    Report,
    Spread,
    circumstances,
    goal,
    not_measured,
    ratios,
    shown,
    spread,
    verdicts,
)
from benchmarks.trials import BATCH_SIZE, SEED, VALIDATION_IMAGES

NAMES = {
    "workers": "this project, a worker for each core (its default)",
    "one_process": "this project, one process on all cores",
    "keras_tuner": "keras-tuner `RandomSearch` and `fit`",
    "keras_tuner_50": "the same, with oneDNN and 50 steps a call",
    "optuna": "Optuna study and `fit`",
}
OURS = ("workers", "one_process")
HEADER = ("who", "seconds", "their time / our default's", "trials finished", "best validation accuracy")

TIMES = "{:.2f}"
LEAST_OVER_KERAS_TUNER = {"the goal": 2.0, "the aim": 3.0}
DRIVER_MILLISECONDS = {"random": 50.0, "grid": 50.0}
"""At most, for a trial."""


def sum_up(seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """What the passes of all contenders come to; ratios are taken within each round, then their median.

    Args:
        seconds: of each pass, by contender.
    """
    found: dict[str, Any] = {"seconds": {name: spread(passes, 1) for name, passes in seconds.items()}}
    ours = [name for name in OURS if name in seconds]
    if "workers" in seconds:
        found["over_default"] = _over("workers", seconds)
    if ours:
        found["our_faster"] = min(ours, key=lambda name: found["seconds"][name]["median"])
        found["over_our_faster"] = _over(found["our_faster"], seconds)
    return found


def _over(one: str, seconds: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    """How many times as long the others took."""
    return {name: spread(ratios(passes, seconds[one])) for name, passes in seconds.items() if name != one}


def goals(results: Mapping[str, Any]) -> list[Goal]:
    """What was to be reached, what came out, and whether that is enough: the median counts."""
    found = []
    if both := results.get("over_default", {}).get("one_process"):
        what = "a worker for each core is faster than one process on all cores"
        found.append(goal(what, both, TIMES, both["median"] > 1))
    if theirs := results.get("over_our_faster", {}).get("keras_tuner"):
        for word, least in LEAST_OVER_KERAS_TUNER.items():
            what = f"the faster of both is at least {least:g} times as fast as keras-tuner ({word})"
            found.append(goal(what, theirs, TIMES, theirs["median"] >= least))
    for tuner, taken in results.get("driver", {}).get("milliseconds", {}).items():
        if (most := DRIVER_MILLISECONDS.get(tuner)) is not None:
            what = f"the driver itself takes at most {most:g} ms for a trial under {tuner}"
            found.append(goal(what, taken, "{:.1f}", taken["median"] <= most))
    return found


def report_of(results: Mapping[str, Any]) -> Report:
    """The table, a line for each contender, and what belongs under it."""
    return Report(HEADER, rows(results), remarks(results))


def rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the table."""
    lines: list[tuple[str, ...]] = []
    for name, contender in results["contenders"].items():
        ratio = results.get("over_default", {}).get(name)
        accuracies = [value for value in contender["best_val_accuracy"] if value is not None]
        lines.append(
            (
                NAMES[name],
                shown(results["seconds"][name], "{:.1f}"),
                shown(ratio, TIMES) if ratio else "",
                f"{min(contender['finished'])} of {results['task']['trials']}",
                shown(spread(accuracies, 4), "{:.1%}") if accuracies else "none",
            )
        )
    return lines


def remarks(results: Mapping[str, Any]) -> list[str]:
    """What belongs under the table."""
    return [
        _how(results),
        *not_measured(results),
        *_unequal(results),
        *verdicts(results["goals"]),
        *_driver(results),
        *circumstances(results, results["others_cpu"]),
    ]


def _how(results: Mapping[str, Any]) -> str:
    task = results["task"]
    return (
        f"Median (least - most) of {results['repeats']} rounds in which all took turns, from the start of a command to "
        f"its exit; ratios within a round. {task['trials']} settings of model1 (learning rate and both dropout rates, "
        f"drawn from seed {SEED}), RMSprop, batch {BATCH_SIZE}, {task['images']:,} training images, {task['epochs']} "
        f"epochs, {VALIDATION_IMAGES[task['data']]:,} validation images after each; data: {task['data']}"
    )


def _unequal(results: Mapping[str, Any]) -> list[str]:
    wanted = results["task"]["trials"]
    short = [NAMES[name] for name, one in results["contenders"].items() if min(one["finished"]) < wanted]
    return [f"NOT COMPARABLE: not all trials finished: {'; '.join(short)}"] if short else []


def _driver(results: Mapping[str, Any]) -> list[str]:
    if "driver" not in results:
        return []
    driver = results["driver"]
    taken = ", ".join(f"{name} {shown(ms, '{:.1f}')} ms" for name, ms in driver["milliseconds"].items())
    before, measured = driver["trials_before"], driver["trials_measured"]
    return [f"The driver's own time for each of {measured} trials after {before:,}, none of which trains: {taken}"]
