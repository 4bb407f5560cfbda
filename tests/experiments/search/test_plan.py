"""Every point of a space is the configuration that its overrides would compose, or the space is refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from cifar.config import RunConfig
from cifar.fields import ConfigError
from experiments.overrides import Checker
from experiments.search.plan import MOST_BASES, corners, lay_out, overrides_of, plan_of, read_tree
from experiments.search.space import Parameter, Space, read_space
from experiments.usage import CONF
from tests.experiments.search.sweeps import SPACE, sweep_of

SPACES = sorted(file.stem for file in (CONF / "space").glob("*.yaml"))


@pytest.fixture(scope="module")
def checker() -> Iterator[Checker]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield Checker("config", [CONF])


def space(search: dict[str, Any], **others: Any) -> Space:
    return read_space({"name": "s", "search": search, **others})


def file(name: str) -> Space:
    tree = OmegaConf.to_container(OmegaConf.load(Path(CONF, "space", f"{name}.yaml")))
    assert isinstance(tree, dict)
    assert tree["name"] == name
    return read_space({str(key): value for key, value in tree.items()})


def anywhere(numbers: random.Random) -> Any:
    """Chooses a value of a parameter."""

    def choose(item: Parameter) -> Any:
        values = item.domain.listed
        low, high = item.domain.ends[0], item.domain.ends[-1]
        return numbers.choice(values) if values else item.domain.keep(numbers.uniform(low, high))

    return choose


@pytest.mark.parametrize("name", SPACES)
def test_every_space_of_conf_can_be_laid_out(checker: Checker, name: str) -> None:
    plan = lay_out(file(name), ["data=sample"], checker)
    numbers = random.Random(0)
    for _ in range(20):
        run = read_tree(plan.tree(plan.space.point(anywhere(numbers))))
        assert run.data.name == "sample"


def test_a_point_is_what_its_overrides_compose(checker: Checker) -> None:
    typed = ["data=sample", "epochs=quick", "model.max_norm=null", "tracking.note='it is'"]
    searched = space(
        {"optimizer": ["sgd", "adam"], "optimizer.learning_rate": {"low": 1e-5, "high": 0.1, "sampling": "log"}},
        fixed={"model": "model3", "model.max_norm": 2.0, "model.kernel_initializer": "he_normal"},
    )
    numbers = random.Random(1)
    plan = lay_out(searched, typed, checker)
    for _ in range(4):
        point = plan.space.point(anywhere(numbers))
        fixed = ["model=model3", "model.kernel_initializer=he_normal"]
        job = tuple(axis[0] for axis in checker.axes(checker.parse([*typed, *fixed, *overrides_of(point)])))
        assert plan.tree(point) == asdict(checker.load(job).run)


def test_values_are_spelled_as_hydra_reads_them(checker: Checker) -> None:
    point = {"a": None, "b": True, "c": 1e-05, "d": 3, "e": "model1", "f": "a b, c", "g": "1e3", "h": 2.0}
    lines = overrides_of(point)
    assert lines == ["a=null", "b=true", "c=1e-05", "d=3", "e=model1", "f='a b, c'", "g='1e3'", "h=2.0"]
    assert [item.value() for item in checker.parser.parse_overrides(lines)] == [*point.values()]


def test_the_tuner_may_decide_how_long_a_trial_trains(checker: Checker) -> None:
    plan = lay_out(space({"seed": [1, 2]}), [], checker)
    assert plan.tree({"seed": 2})["training"]["epochs"] == 15
    tree = plan.tree({"seed": 2}, epochs=4)
    assert (tree["training"]["epochs"], tree["seed"]) == (4, 2)


def test_a_plan_comes_back_from_its_sweep() -> None:
    plan = plan_of(sweep_of())
    assert plan.space == read_space(SPACE)
    assert plan.default == asdict(RunConfig())
    picked = [plan.tree({"optimizer": name})["optimizer"]["name"] for name in ("sgd", "adam", "rmsprop")]
    assert picked == ["sgd", "adam", "rmsprop"]


def test_files_of_conf_that_change_later_do_not_change_a_plan(checker: Checker, tmp_path: Path) -> None:
    own = tmp_path / "model"
    own.mkdir()
    text = (CONF / "model" / "model1.yaml").read_text(encoding="utf-8")
    (own / "model1.yaml").write_text(text, encoding="utf-8")
    (own / "mine.yaml").write_text(text.replace("filters: 32", "filters: 8"), encoding="utf-8")
    plan = lay_out(space({"model": ["model1", "mine"]}), [], Checker("config", [*checker.folders, tmp_path]))
    (own / "mine.yaml").write_text(text.replace("filters: 32", "filters: 9"), encoding="utf-8")
    assert plan.tree({"model": "mine"})["model"]["filters"] == 8


def test_corners_show_every_end_and_where_they_are_few_every_end_with_every_other() -> None:
    searched = space({
        "model": ["model1", "model3"],
        "model.depth": {"when": {"model": "model3"}, "choices": [1, 2, 3]},
        "model.filters": {"low": 8, "high": 64},
    })  # fmt: skip
    few = [(point["model.depth"], point["model.filters"]) for point in corners(searched, {"model": "model3"}, 0)]
    assert set(few) == {(1, 8), (3, 64), (2, 8), (3, 8), (1, 64)}
    every = [(point["model.depth"], point["model.filters"]) for point in corners(searched, {"model": "model3"}, 6)]
    assert set(every) == {(depth, filters) for depth in (1, 2, 3) for filters in (8, 64)}
    assert next(corners(searched, {"model": "model1"}, 0)) == {"model": "model1", "model.filters": 8}


def default_of(checker: Checker, typed: list[str], **others: Any) -> dict[str, Any]:
    return lay_out(space({"seed": [1, 2]}, **others), typed, checker).default


def test_the_default_is_what_a_run_is_with_nothing_searched_but_with_what_is_fixed_and_typed(checker: Checker) -> None:
    typed = ["data=sample", "training.batch_size=16"]
    default = default_of(checker, typed, fixed={"model": "model3", "model.max_norm": 2.0})
    job = tuple(axis[0] for axis in checker.axes(checker.parse(["model=model3", "model.max_norm=2.0", *typed])))
    assert default == asdict(checker.load(job).run)
    assert (default["seed"], default["model"]["max_norm"], default["training"]["batch_size"]) == (0, 2.0, 16)


def test_a_space_gives_its_default_values_of_its_own_and_typed_ones_go_before_them(checker: Checker) -> None:
    own = {"fixed": {"model": "model3", "epochs": "long"}, "default": {"model": "model2", "training.batch_size": 8}}
    default = default_of(checker, ["data=sample"], **own)
    assert (default["model"]["name"], default["training"]["batch_size"], default["training"]["epochs"]) == (
        "model2", 8, 50,
    )  # fmt: skip
    typed = ["data=sample", "model=model1", "training.batch_size=64", "epochs=quick"]
    default = default_of(checker, typed, **own)
    assert (default["model"]["name"], default["training"]["batch_size"], default["training"]["epochs"]) == (
        "model1", 64, 3,
    )  # fmt: skip
    plan = lay_out(space({"seed": [1, 2]}, **own), ["data=sample"], checker)
    assert plan.tree({"seed": 1})["model"]["name"] == "model3", "trials have none of them"


def test_a_default_may_have_values_of_what_is_searched(checker: Checker) -> None:
    searched = {"model": ["model1", "model3"], "model.dropout_rate": {"low": 0.1, "high": 0.5}}
    plan = lay_out(space(searched, default={"model": "model3", "model.dropout_rate": 0.35}), ["data=sample"], checker)
    assert (plan.default["model"]["name"], plan.default["model"]["dropout_rate"]) == ("model3", 0.35)


def test_a_default_that_cannot_be_used_is_refused_before_any_trial(checker: Checker) -> None:
    for own, said in (
        ({"model.dropout": 0.3}, "space=s: model.dropout=0.3: no such key. Did you mean model.dropout_rate?"),
        ({"model": "model4"}, "space=s: model=model4: expected one of model1, model2, model3"),
        ({"training.epochs": 0}, "space=s: training.epochs=0: expected a whole number at least 1 and at most 100000"),
    ):
        with pytest.raises(ConfigError) as error:
            default_of(checker, [], default=own)
        assert str(error.value).startswith(said)


@pytest.mark.parametrize(("name", "model", "optimizer", "epochs", "batch_size"), [
    ("depth", "model3", "sgd", 15, 64),
    ("epochs", "model2", "rmsprop", 15, 32),
    ("optimizers", "model1", "rmsprop", 15, 32),
])  # fmt: skip
def test_the_defaults_of_the_spaces_of_conf(
    checker: Checker, name: str, model: str, optimizer: str, epochs: int, batch_size: int
) -> None:
    default = lay_out(file(name), [], checker).default
    found = (default["model"]["name"], default["optimizer"]["name"], default["training"])
    assert found[:2] == (model, optimizer)
    assert (found[2]["epochs"], found[2]["batch_size"]) == (epochs, batch_size)


OPTIMIZERS = "adadelta, adagrad, adam, adamax, adamw, lion, nadam, rmsprop, sgd"
MISTAKES = [
    ({"optimizer.lr": [0.1]}, "optimizer.lr=0.1: no such key. Did you mean optimizer.learning_rate?"),
    ({"optimiser": ["sgd"]}, "optimiser=sgd: no such group. Did you mean optimizer=sgd?"),
    ({"model.name": ["model1"]}, "model.name=model1: a name is chosen with its group. Did you mean model=model1?"),
    ({"optimizer": ["sgd", "adm"]}, f"optimizer=adm: expected one of {OPTIMIZERS}. Did you mean optimizer=adam?"),
    ({"optimizer": ["sgd", "adam"], "optimizer.momentum": [0.9]},
     "optimizer.momentum=0.9: adam has no momentum; rmsprop and sgd have"),
    ({"model.dropout_rate": {"low": 0, "high": 1}},
     "model.dropout_rate=1.0: expected a number at least 0 and below 1"),
    ({"model.filters": {"low": 0, "high": 9}},
     "model.filters=0: expected a whole number at least 1 and at most 1024"),
    ({"training.batch_size": {"low": 1, "high": 64}, "data.train_size": [100, 32]},
     "training.batch_size=64: expected at most 32, the number of training images"),
    ({"training.restore_best_weights": [False, True], "data.validation_size": [500, 0]},
     "training.restore_best_weights=true: expected a validation set to judge by. "
     "Set data.validation_size, for example 5000"),
    ({"tracking.note": ["a"]}, "tracking.note: where trials are recorded is not searched"),
    ({"compute.threads": [1, 2]},
     "compute.threads: one value for all trials, since a process sets up its device once"),
    ({"hydra.verbose": [True]}, "hydra.verbose: Hydra's own settings are not searched"),
    ({"optimizer": OPTIMIZERS.split(", "), "schedule": ["constant", "step", "cosine", "inverse_time"],
      "model": ["model1", "model2", "model3"], "epochs": ["seed", "long"]},
     f"more than {MOST_BASES} combinations of groups"),
]  # fmt: skip


@pytest.mark.parametrize(("search", "said"), MISTAKES)
def test_a_space_that_cannot_be_used_is_refused(checker: Checker, search: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        lay_out(space(search), ["data=sample"], checker)
    assert str(error.value) == f"space=s: {said}"


def test_a_group_depends_on_groups_only(checker: Checker) -> None:
    late = {"when": {"training.epochs": 2}, "choices": ["cosine"]}
    with pytest.raises(ConfigError) as error:
        lay_out(space({"training.epochs": [1, 2], "schedule": late}), [], checker)
    assert str(error.value) == (
        "space.search.schedule.when.training.epochs=2: expected conditions on groups only, since it picks a group"
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["optimizer=adam"], "optimizer=adam: space=s searches it"),
        (["optimizer.learning_rate=1", "epoch=3"], "epoch=3: no such key. Did you mean training.epochs?"),
        (
            ["data.validation_size=0"],
            "space=s: data.validation_size=0: expected validation images, since a sweep chooses by nothing else. "
            "Set data.validation_size, for example 5000",
        ),
        (["model=reznet"], "model=reznet: expected one of model1, model2, model3"),
        (["seed=1,2"], "seed=1: one of several values; a sweep searches what its space names"),
        (
            ["optimizer.momentum=0.9"],
            "space=s: optimizer.momentum=0.9: adam has no momentum; rmsprop and sgd have",
        ),
    ],
)
def test_what_was_typed_has_to_go_with_the_space(checker: Checker, typed: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        lay_out(space({"optimizer": ["sgd", "adam"]}), typed, checker)
    assert str(error.value) == said


def test_a_plan_refuses_values_that_do_not_go_together() -> None:
    plan = plan_of(sweep_of(space={"name": "s", "search": {"seed": [1]}}))
    with pytest.raises(ConfigError, match="seed=-1"):
        plan.tree({"seed": -1})


def test_the_space_of_the_documentation_can_be_laid_out(checker: Checker) -> None:
    text = (CONF.parent / "docs" / "sweeps.md").read_text(encoding="utf-8")
    block = text[text.index("    name: mine") : text.index("Both ends belong")]
    tree = OmegaConf.to_container(OmegaConf.create(dedent(block)))
    assert isinstance(tree, dict)
    plan = lay_out(read_space({str(key): value for key, value in tree.items()}), [], checker)
    units = next(item.domain for item in plan.space.parameters if item.key == "model.dense_units")
    assert units.listed == (64, 128, 256, 512, 1024)
