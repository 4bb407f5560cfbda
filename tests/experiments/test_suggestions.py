from __future__ import annotations

import pytest

from experiments.schema import TABLES, known_keys
from experiments.suggestions import ALIASES, did_you_mean, near_option, nearest

TYPOS = {
    "lerning_rate": "optimizer.learning_rate",
    "optimizer.learnig_rate": "optimizer.learning_rate",
    "optimzier.learning_rate": "optimizer.learning_rate",
    "optimizer.momentun": "optimizer.momentum",
    "optmizer.momentum": "optimizer.momentum",
    "optimizer.weigth_decay": "optimizer.weight_decay",
    "optimizer.beta1": "optimizer.beta_1",
    "optimizer.epslon": "optimizer.epsilon",
    "optimizer.clipnrm": "optimizer.clipnorm",
    "trainig.epochs": "training.epochs",
    "training.epoch": "training.epochs",
    "training.batchsize": "training.batch_size",
    "batch_sise": "training.batch_size",
    "training.max_minute": "training.max_minutes",
    "data.valdation_size": "data.validation_size",
    "data.tran_size": "data.train_size",
    "model.dropout_rte": "model.dropout_rate",
    "model.fliters": "model.filters",
    "compute.devise": "compute.device",
    "tracking.run_nmae": "tracking.run_name",
    "schedule.warmup_epoch": "schedule.warmup_epochs",
    "sede": "seed",
    "modle": "model",
    "optimiser": "optimizer",
}
"""Keys one or two slips of the finger away from a real one."""


def known() -> list[str]:
    return [*known_keys(), *TABLES]


def test_eighteen_of_twenty_typos_find_the_right_key_first() -> None:
    right = [typo for typo, key in TYPOS.items() if nearest(typo, known())[:1] == [key]]
    assert len(TYPOS) >= 20
    assert len(right) >= 0.9 * len(TYPOS), set(TYPOS) - set(right)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lr", "optimizer.learning_rate"),
        ("LR", "optimizer.learning_rate"),
        ("optimizer.lr", "optimizer.learning_rate"),
        ("optimizer.lrr", "optimizer.learning_rate"),
        ("bs", "training.batch_size"),
        ("num-epochs", "training.epochs"),
        ("trainer.max_epochs", "training.epochs"),
        ("wd", "optimizer.weight_decay"),
        ("augmentation", "data.random_flip"),
        ("checkpoints", "training.checkpoint_every"),
        ("training.save_every", "training.checkpoint_every"),
        ("val_split", "data.validation_size"),
        ("random_state", "seed"),
        ("scheduler", "schedule"),
    ],
)
def test_names_in_use_elsewhere_find_ours(name: str, key: str) -> None:
    assert nearest(name, known())[0] == key


def test_every_alias_leads_to_a_name_that_exists() -> None:
    assert set(ALIASES.values()) <= {*known(), "data", "experiment"}


def test_a_key_without_its_node_finds_the_node() -> None:
    assert nearest("momentum", known()) == ["optimizer.momentum"]
    assert nearest("device", known()) == ["compute.device"]


def test_something_far_from_every_key_finds_nothing() -> None:
    assert nearest("zzz", known()) == []


def test_an_option_is_offered_only_when_one_is_clearly_nearest() -> None:
    assert near_option("sdg", ["sgd", "adam", "lion"]) == "sgd"
    assert near_option("SGD", ["sgd", "adam", "lion"]) == "sgd"
    assert near_option("model4", ["model1", "model2", "model3"]) is None
    assert near_option("reznet", ["model1", "model2", "model3"]) is None


def test_an_offer_reads_as_a_question() -> None:
    assert did_you_mean([]) == ""
    assert did_you_mean(["a"]) == "Did you mean a?"
    assert did_you_mean(["a", "b", "c"]) == "Did you mean a, b or c?"
