from __future__ import annotations

from typing import Any

import pytest

from cifar.fields import ConfigError
from experiments.search.domains import Choices
from experiments.search.space import Space, read_space
from tests.experiments.search.sweeps import SPACE


def space(search: dict[str, Any], **others: Any) -> Space:
    return read_space({"name": "s", "search": search, **others})


def low(space: Space) -> dict[str, Any]:
    return space.point(lambda parameter: parameter.domain.ends[0])


def test_a_point_has_the_keys_whose_conditions_hold() -> None:
    assert list(low(read_space(SPACE))) == [
        "optimizer",
        "optimizer.learning_rate",
        "optimizer.momentum",
        "model.dense_units",
        "model.dropout_rate",
    ]
    assert low(read_space(SPACE).narrowed("optimizer", "adam")) == {
        "optimizer": "adam",
        "optimizer.learning_rate": 0.0001,
        "model.dense_units": 32,
        "model.dropout_rate": 0.0,
    }


def test_conditions_can_follow_from_conditions() -> None:
    chained = space({
        "a.a": [1, 2],
        "a.b": {"when": {"a.a": 1}, "choices": [3, 4]},
        "a.c": {"when": {"a.b": 4, "a.a": [1, 2]}, "value": 5},
    })  # fmt: skip
    assert list(chained.points(lambda item: item.domain.ends)) == [
        {"a.a": 1, "a.b": 3},
        {"a.a": 1, "a.b": 4, "a.c": 5},
        {"a.a": 2},
    ]


def test_optimizers_are_compared_unless_something_else_is() -> None:
    assert read_space(SPACE).strata == ("sgd", "adam", "rmsprop")
    assert space({"optimizer": ["sgd", "adam"], "model": ["model1", "model2"]}, compare="model").compared == "model"
    assert space({"model.depth": [1, 2]}).strata == ()


def test_a_default_may_have_values_of_its_own_searched_ones_among_them() -> None:
    own = space(
        {"model": ["model1", "model2"]}, fixed={"epochs": "long"}, default={"model": "model2", "epochs": "seed"}
    )
    assert own.fixed == (("epochs", "long"),)
    assert own.default == (("model", "model2"), ("epochs", "seed"))
    assert space({"seed": [1]}).default == space({"seed": [1]}, default=None).default == ()


def test_a_narrowed_space_has_no_more_to_compare() -> None:
    part = read_space(SPACE).narrowed("optimizer", "sgd")
    assert part.compared is None
    assert part.parameters[0].domain == Choices(("sgd",))
    assert [item.key for item in part.parameters].count("optimizer.learning_rate") == 1


RATES = {"low": 0.1, "high": 1}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"search": {}}, "space.search={}: expected at least one key with its values"),
    ({"search": ["seed"]}, "space.search=['seed']: expected at least one key with its values"),
    ({"name": None, "search": {"seed": [1]}}, "space.name=null: expected the name of its file"),
    ({"search": {"seed": [1]}, "fixed": 3}, "space.fixed=3: expected keys and their values"),
    ({"search": {"seed": [1]}, "default": ["model2"]}, "space.default=['model2']: expected keys and their values"),
    ({"serach": {}}, "space.serach={}: expected no such key; there are name, fixed, search, compare, default"),
    (
        {"search": {"seed": [1]}, "fixed": {"seed": 2}},
        "space.fixed.seed=2: expected a key that is not searched as well",
    ),
    (
        {"search": {"optimizer.momentum": {"when": {"optimiser": "sgd"}, "value": 1}, "optimizer": ["sgd"]}},
        "space.search.optimizer.momentum.when.optimiser=sgd: expected a key with choices, searched above",
    ),
    (
        {"search": {"optimizer": ["sgd"], "optimizer.momentum": {"when": {"optimiser": "sgd"}, "value": 1}}},
        "space.search.optimizer.momentum.when.optimiser=sgd: expected a key with choices, searched above. "
        "Did you mean optimizer?",
    ),
    (
        {"search": {"optimizer": ["sgd", "adam"], "optimizer.momentum": {"when": {"optimizer": "sdg"}, "value": 1}}},
        "space.search.optimizer.momentum.when.optimizer=sdg: expected one of sgd, adam",
    ),
    (
        {"search": {"optimizer": ["sgd"], "optimizer.momentum": {"when": "optimizer", "value": 1}}},
        "space.search.optimizer.momentum.when=optimizer: expected keys and their values, such as {optimizer: sgd}",
    ),
    (
        {
            "search": {
                "optimizer": ["sgd", "adam"],
                "optimizer.learning_rate": [
                    {"when": {"optimizer": ["sgd", "adam"]}, **RATES},
                    {"when": {"optimizer": "sgd"}, **RATES},
                ],
            }
        },
        "space.search.optimizer.learning_rate[1]={'low': 0.1, 'high': 1}: "
        "expected a condition that does not hold together with another one of this key",
    ),
    (
        {"search": {"model.depth": [1, 2], "seed": {"low": 0, "high": 9}}, "compare": "model.dept"},
        "space.compare=model.dept: expected a key of the search with choices and no condition. "
        "Did you mean model.depth?",
    ),
]


@pytest.mark.parametrize(("tree", "said"), MISTAKES)
def test_what_cannot_be_meant_is_refused(tree: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_space({"name": "s", **tree})
    assert str(error.value) == said
