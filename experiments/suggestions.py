"""Which name a mistyped one may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

ALIASES = {
    "arch": "model",
    "architecture": "model",
    "augment": "data.random_flip",
    "augmentation": "data.random_flip",
    "batch": "training.batch_size",
    "bs": "training.batch_size",
    "checkpoint": "training.checkpoint_every",
    "dataset": "data",
    "decay": "schedule.decay",
    "dropout": "model.dropout_rate",
    "early_stopping": "training.early_stopping_patience",
    "epoch": "training.epochs",
    "eps": "optimizer.epsilon",
    "flip": "data.random_flip",
    "gpu": "compute.device",
    "layers": "model.depth",
    "lr": "optimizer.learning_rate",
    "lr_schedule": "schedule",
    "max_epochs": "training.epochs",
    "max_time": "training.max_minutes",
    "minibatch": "training.batch_size",
    "n_epochs": "training.epochs",
    "net": "model",
    "network": "model",
    "num_epochs": "training.epochs",
    "opt": "optimizer",
    "optim": "optimizer",
    "patience": "training.early_stopping_patience",
    "preset": "experiment",
    "random_seed": "seed",
    "random_state": "seed",
    "recipe": "experiment",
    "save_every": "training.checkpoint_every",
    "scheduler": "schedule",
    "timeout": "training.max_minutes",
    "tracking_uri": "tracking.uri",
    "units": "model.dense_units",
    "val_size": "data.validation_size",
    "val_split": "data.validation_size",
    "validation_split": "data.validation_size",
    "warmup": "schedule.warmup_epochs",
    "wd": "optimizer.weight_decay",
    "workers": "compute.threads",
}
"""Names in use elsewhere that spelling alone does not bring near to ours."""

_NEAR = 0.7  # similarity (0 to 1) from which two spellings count as near; found with the typos of the tests


def nearest(key: str, known: Iterable[str]) -> list[str]:
    """The known dotted keys that `key` may have meant, likeliest first, three at most.

    The last part of a key counts most: `lerning_rate` finds `optimizer.learning_rate`.
    """
    node, _, leaf = key.rpartition(".")
    known = list(known)
    same_leaf = [name for name in known if name.rpartition(".")[2] == leaf and name != "seed"]
    if same_leaf:
        return sorted(same_leaf, key=lambda name: -_alike(key, name))[:3]
    scores = {name: _score(node, leaf, name) for name in known}
    for alias in get_close_matches(_fold(leaf), _FOLDED, n=1, cutoff=0.8):
        if (name := _FOLDED[alias]) in scores:
            scores[name] = max(scores[name], 0.1 + _alike(_fold(leaf), alias))
    best = max(scores.values(), default=0)
    near = [name for name, score in scores.items() if score >= max(_NEAR, best - 0.1)]
    return sorted(near, key=lambda name: -scores[name])[:3]


def near_option(value: str, options: Iterable[str]) -> str | None:
    """The one option of a group that `value` may have meant; None when there is none, or no telling which."""
    folded = {_fold(option): option for option in options}
    close = get_close_matches(_fold(value), folded, n=3, cutoff=0.6)
    alike = {name: _alike(_fold(value), name) for name in close}
    best = [name for name in close if alike[name] == max(alike.values())]
    return folded[best[0]] if len(best) == 1 else None


def did_you_mean(names: Iterable[str]) -> str:
    """`Did you mean a, b or c?`, or nothing when there is nothing to offer."""
    *rest, last = [*names] or [""]
    return f"Did you mean {', '.join(rest)}{' or ' if rest else ''}{last}?" if last else ""


def _score(node: str, leaf: str, name: str) -> float:
    other_node, _, other_leaf = name.rpartition(".")
    by_leaf = _alike(_fold(leaf), _fold(other_leaf))
    if node and other_node:
        return 0.8 * by_leaf + 0.2 * _alike(node, other_node)
    return by_leaf


def _fold(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


_FOLDED = {_fold(alias): name for alias, name in ALIASES.items()}
