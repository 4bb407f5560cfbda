"""What is said about each override that cannot be used, word for word."""

from __future__ import annotations

import shlex

import pytest
from omegaconf.errors import ConfigKeyError

from cifar.fields import ConfigError
from experiments.commandline import check
from experiments.overrides import one_line

OPTIMIZERS = "adadelta, adagrad, adam, adamax, adamw, lion, nadam, rmsprop, sgd"
TEXT_HINT = "Quote text with spaces or symbols"

KEYS = {
    "optimizer.lr=0.1": "optimizer.lr=0.1: no such key. Did you mean optimizer.learning_rate?",
    "lerning_rate=0.1": "lerning_rate=0.1: no such key. Did you mean optimizer.learning_rate?",
    "epoch=3": "epoch=3: no such key. Did you mean training.epochs?",
    "train.epochs=3": "train.epochs=3: no such key. Did you mean training.epochs?",
    "+trainer.epoch=3": "trainer.epoch=3: no such key. Did you mean training.epochs?",
    "+optimizer.lrr=1": "optimizer.lrr=1: no such key. Did you mean optimizer.learning_rate?",
    "++optimizer.lrr=1": "optimizer.lrr=1: no such key. Did you mean optimizer.learning_rate?",
    "training.zzz=1": (
        "training.zzz=1: no such key. "
        "training has epochs, batch_size, max_minutes, early_stopping_patience, restore_best_weights, "
        "checkpoint_every"
    ),
    "zzz=1": "zzz=1: no such key. See every key with --cfg job",
    "+optimizer.learning_rate=1": "+optimizer.learning_rate=1: needs no +. Did you mean optimizer.learning_rate=1?",
    "+experiment=seed_model1": "+experiment=seed_model1: needs no +. Did you mean experiment=seed_model1?",
    "~optimizer": "~optimizer: nothing can be taken out of the configuration. null switches most things off",
    "optimizer@x=sgd": "optimizer@x=sgd: no such key. Without @: optimizer=...",
    "model.name=model2": "model.name=model2: a name is chosen with its group. Did you mean model=model2?",
    "optimizer.momentum=0.9 optimizer=adam": "optimizer.momentum=0.9: adam has no momentum; rmsprop and sgd have",
    "model.depth=2": "model.depth=2: model1 has no depth; model3 has",
    "model._target_=os.system": "model._target_=os.system: nothing is built from a name in a configuration",
    "'optimizer.learning_rate={_target_: os.system}'": (
        "optimizer.learning_rate._target_=os.system: nothing is built from a name in a configuration"
    ),
    "model1": "model1: expected key=value. Did you mean model=model1?",
    "30": "30: expected key=value",
    "=3": "=3: no such key. See every key with --cfg job",
}

OPTIONS = {
    "model=reznet": "model=reznet: expected one of model1, model2, model3",
    "model=null": "model=null: expected one of model1, model2, model3",
    "model=[model1]": "model=['model1']: expected one of model1, model2, model3. Did you mean model=model1?",
    "optimizer=sdg": f"optimizer=sdg: expected one of {OPTIMIZERS}. Did you mean optimizer=sgd?",
    "optimizer=RMSProp": f"optimizer=RMSProp: expected one of {OPTIMIZERS}. Did you mean optimizer=rmsprop?",
    "optimizer=model2": f"optimizer=model2: expected one of {OPTIMIZERS}. Did you mean model=model2?",
    "epochs=30": "epochs=30: expected one of long, quick, seed. Did you mean training.epochs=30?",
    "training=long": "training=long: no such group. Did you mean epochs=long?",
    "training=30": "training=30: no such group. Did you mean training.epochs=...?",
    "modle=model2": "modle=model2: no such group. Did you mean model=model2?",
    "model/x=y": (
        "model/x=y: no such group. "
        "The groups are compute, data, epochs, experiment, model, optimizer, schedule, tracking"
    ),
    "tracking=false": "tracking=false: expected one of local, off. Did you mean tracking=off?",
    "experiment=sede_model2": (
        "experiment=sede_model2: expected one of fast_model1, fast_model2, fast_model3, seed_model1, seed_model2, "
        "seed_model3. "
        "Did you mean experiment=seed_model2?"
    ),
}

RATE = "expected a number above 0 and at most 100"
SEED = "expected a whole number at least 0 and below 4294967296"
EPOCHS = "expected a whole number at least 1 and at most 100000"

VALUES = {
    "optimizer.learning_rate=-1": f"optimizer.learning_rate=-1: {RATE}",
    "optimizer.learning_rate=0": f"optimizer.learning_rate=0: {RATE}",
    "optimizer.learning_rate=nan": f"optimizer.learning_rate=nan: {RATE}",
    "optimizer.learning_rate=inf": f"optimizer.learning_rate=inf: {RATE}",
    "optimizer.learning_rate=1e400": f"optimizer.learning_rate=inf: {RATE}",
    "optimizer.learning_rate=abc": f"optimizer.learning_rate=abc: {RATE}",
    "optimizer.learning_rate=true": f"optimizer.learning_rate=true: {RATE}",
    "optimizer.learning_rate=null": f"optimizer.learning_rate=null: {RATE}",
    "training.batch_size=0": "training.batch_size=0: expected a whole number at least 1",
    "training.batch_size=-1": "training.batch_size=-1: expected a whole number at least 1",
    "training.batch_size=1.5": "training.batch_size=1.5: expected a whole number at least 1",
    "training.batch_size=45001": "training.batch_size=45001: expected at most 45000, the number of training images",
    "training.epochs=0": f"training.epochs=0: {EPOCHS}",
    "training.epochs=-1": f"training.epochs=-1: {EPOCHS}",
    "model.dropout_rate=1": "model.dropout_rate=1: expected a number at least 0 and below 1",
    "model.dropout_rate=-0.1": "model.dropout_rate=-0.1: expected a number at least 0 and below 1",
    "seed=-1": f"seed=-1: {SEED}",
    "seed=4294967296": f"seed=4294967296: {SEED}",
    "seed=": f"seed=: {SEED}",
    "data.validation_size=1": "data.validation_size=1: expected 0, or 10 to 49990, so that no class is left empty",
    "data.validation_size=50000": (
        "data.validation_size=50000: expected 0, or 10 to 49990, so that no class is left empty"
    ),
    "data=sample data.validation_size=1991": (
        "data.validation_size=1991: expected 0, or 10 to 1990, so that no class is left empty"
    ),
    "compute.device=gpuu": "compute.device=gpuu: expected one of auto, cpu, gpu",
    "experiment=seed_model1 training.restore_best_weights=true": (
        "training.restore_best_weights=true: expected a validation set to judge by. "
        "Set data.validation_size, for example 5000"
    ),
    "'seed=${oc.env:HOME}'": "seed=${oc.env:HOME}: expected a plain value. Interpolations (${...}) are not used here",
    "'optimizer.learning_rate=[1,2'": (
        f"optimizer.learning_rate=[1,2: the value cannot be read. {TEXT_HINT}: \"optimizer.learning_rate='...'\""
    ),
    'tracking.note="it\'s good"': (
        f"tracking.note=it's good: the value cannot be read. {TEXT_HINT}: \"tracking.note='...'\""
    ),
}

HYDRA = {
    "hydra.run.dri=x": "hydra.run.dri=x: no such key of Hydra's. Did you mean hydra.run.dir?",
    "hydra.job.chdir=true": "hydra.job.chdir=true: not used here. "
    "hydra.run.dir and hydra.sweep.dir name another folder",
    "hydra.run.dir='${now:%Y}'": "hydra.run.dir=${now:%Y}: expected a plain folder, without ${...}",
    "-m compute.backend=tensorflow,jax": "compute.backend=...: one value for all jobs, since a process sets up its "
    "device once. Start a command for each",
    "hydra.launcher.n_jobs=2": "hydra.launcher.n_jobs=2: no such key of Hydra's. It belongs to hydra/launcher=joblib",
    "+hydra.launcher.n_jobs=2": "+hydra.launcher.n_jobs=2: no such key of Hydra's. It belongs to hydra/launcher=joblib",
    "-m hydra/launcher=joblib hydra.launcher.n_jobs=0": (
        "hydra.launcher.n_jobs=0: expected -1, for one on each processor, or at least 1"
    ),
    "-m hydra.sweeper.max_batch_size=0": "hydra.sweeper.max_batch_size=0: expected null or a whole number at least 1",
    "-m 'hydra.sweeper.params={seed: \"4,5\"}'": (
        'hydra.sweeper.params={seed: "4,5"}: not used here. Values are given as such: -m seed=1,2'
    ),
    "-m 'hydra.sweeper={params: {seed: \"4,5\"}}'": (
        'hydra.sweeper={params: {seed: "4,5"}}: not used here. Values are given as such: -m seed=1,2'
    ),
    "-m +hydra.sweeper.params.seed='4,5'": (
        "+hydra.sweeper.params.seed=4,5: Hydra's own settings have one value for all jobs"
    ),
    "-m +hydra.sweeper.params.seed=\"'4,5'\"": (
        "+hydra.sweeper.params.seed='4,5': not used here. Values are given as such: -m seed=1,2"
    ),
    "hydra.output_subdir=cfg": (
        "hydra.output_subdir=cfg: not used here. hydra.run.dir and hydra.sweep.dir name another folder"
    ),
    "'hydra.sweep={subdir: x}'": (
        "hydra.sweep={subdir: x}: not used here. hydra.run.dir and hydra.sweep.dir name another folder"
    ),
    "+hydra.run.dir=x": "+hydra.run.dir=x: needs no +. Did you mean hydra.run.dir=x?",
    "hydra/lancher=joblib": "hydra/lancher=joblib: no such group. Did you mean hydra/launcher?",
    "hydra/launcher=joblb": (
        "hydra/launcher=joblb: expected one of basic, joblib. Did you mean hydra/launcher=joblib?"
    ),
    "'hydra.searchpath=[file:///x]'": (
        "hydra.searchpath=[file:///x]: not used here. --config-dir adds a folder of your own to conf/"
    ),
    "'+hydra.callbacks={x: {_target_: os.system}}'": (
        "hydra.callbacks.x._target_=os.system: nothing is built from a name in a configuration"
    ),
    "'hydra.launcher={_target_: os.system}'": (
        "hydra.launcher._target_=os.system: nothing is built from a name in a configuration"
    ),
}


@pytest.mark.parametrize(("typed", "message"), [*{**KEYS, **OPTIONS, **VALUES, **HYDRA}.items()])
def test_a_mistake_is_answered_with(typed: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(shlex.split(typed))
    assert str(error.value) == message


@pytest.mark.parametrize(
    "typed",
    [
        "optimizer.learning_rate=1e-4",
        "optimizer.learning_rate=1",
        "seed=4294967295",
        "data.validation_size=0",
        "training.batch_size=45000",
        "tracking.note=\"'one, two: it\\'s good'\"",
        "tracking.uri=http://localhost:5000",
        "tracking.uri=sqlite:///other.db",
        "data.path=/some/where/cifar-10-python.tar.gz",
        "hydra.run.dir=outputs/here hydra.verbose=true",
        "+hydra.job.env_set.NAME=value",
        "'+hydra.job.env_set={NAME: value}'",
        "+hydra.sweeper.max_batch_size=1",
        "optimizer=adamw schedule=cosine schedule.warmup_epochs=0.5",
    ],
)
def test_what_is_right_passes(typed: str) -> None:
    assert check(shlex.split(typed)).jobs == 1


def test_the_message_of_another_library_is_cut_to_one_plain_line() -> None:
    assert one_line(ValueError("\x1b[31mred\x1b[0m\nsecond")) == "red"
    assert one_line(RecursionError()) == "RecursionError"
    empty = ValueError()
    empty.__cause__ = ConfigKeyError("the cause")
    assert one_line(empty) == "the cause"
