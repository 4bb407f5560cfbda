"""What a run is: frozen, typed values. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cifar.fields import ConfigError, Validated, choice, flag, integer, number, rate, text

NUM_CLASSES = 10
IMAGE_SHAPE = (32, 32, 3)
CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

LATER = {"data.random_flip": False}
"""Settings that came later, and what runs, checkpoints and sweeps were made with that do not have them."""

TRAIN_IMAGES = {"cifar10": 50_000, "sample": 2_000}
"""How many images each data set has before validation images are held out."""
TEST_IMAGES = {"cifar10": 10_000, "sample": 500}


# --- model --------------------------------------------------------------------------------------

INITIALIZERS = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal")


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Validated):
    """What the three networks have in common."""

    node = "model"
    name: str
    filters: int = integer(32, at_least=1, at_most=1024)
    kernel_size: int = integer(3, at_least=1, at_most=7)
    pool_size: int = integer(2, at_least=1, at_most=2)
    dense_units: int = integer(512, at_least=1, at_most=16_384)
    dropout_rate: float = rate(0.25)
    dense_dropout_rate: float = rate(0.5)
    kernel_initializer: str = choice(*INITIALIZERS)


@dataclass(frozen=True, kw_only=True)
class Model1Config(ModelConfig):
    """Two strided convolutions, one dense layer."""

    name: str = choice("model1")
    kernel_size: int = integer(5, at_least=1, at_most=7)
    strides: int = integer(2, at_least=1, at_most=2)


@dataclass(frozen=True, kw_only=True)
class Model2Config(ModelConfig):
    """Two blocks of two convolutions; the second block has twice the filters."""

    name: str = choice("model2")


@dataclass(frozen=True, kw_only=True)
class Model3Config(ModelConfig):
    """`depth` blocks of convolution, dropout, convolution; filters double from block to block."""

    name: str = choice("model3")
    dropout_rate: float = rate(0.2)
    depth: int = integer(1, at_least=1, at_most=3)
    max_norm: float | None = number(3.0, above=0, optional=True)


MODELS: dict[str, type[ModelConfig]] = {"model1": Model1Config, "model2": Model2Config, "model3": Model3Config}


# --- optimizer ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Validated):
    """What every optimizer takes; names and meaning are those of Keras."""

    node = "optimizer"
    name: str
    learning_rate: float = number(0.001, above=0, at_most=100)
    weight_decay: float | None = number(None, at_least=0, below=1, optional=True)
    clipnorm: float | None = number(None, above=0, optional=True)
    clipvalue: float | None = number(None, above=0, optional=True)
    global_clipnorm: float | None = number(None, above=0, optional=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        clips = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, name) is not None]
        if len(clips) > 1:
            raise ConfigError(self.key(clips[1]), getattr(self, clips[1]), f"null while {self.key(clips[0])} is set")


def _beta(default: float) -> Any:
    return number(default, at_least=0, below=1)


def _epsilon(default: float = 1e-7) -> Any:
    return number(default, above=0, at_most=1)


@dataclass(frozen=True, kw_only=True)
class RMSprop(OptimizerConfig):
    """Tieleman and Hinton, 2012."""

    name: str = choice("rmsprop")
    rho: float = _beta(0.9)
    momentum: float = _beta(0.0)
    epsilon: float = _epsilon()
    centered: bool = flag(False)


@dataclass(frozen=True, kw_only=True)
class SGD(OptimizerConfig):
    """Gradient descent, with momentum (Polyak) or Nesterov's."""

    name: str = choice("sgd")
    learning_rate: float = number(0.01, above=0, at_most=100)
    momentum: float = _beta(0.0)
    nesterov: bool = flag(False)


@dataclass(frozen=True, kw_only=True)
class Adam(OptimizerConfig):
    """Kingma and Ba, 2014 (arXiv 1412.6980)."""

    name: str = choice("adam")
    beta_1: float = _beta(0.9)
    beta_2: float = _beta(0.999)
    epsilon: float = _epsilon()
    amsgrad: bool = flag(False)


@dataclass(frozen=True, kw_only=True)
class AdamW(OptimizerConfig):
    """Adam with decoupled weight decay: Loshchilov and Hutter, 2017 (arXiv 1711.05101)."""

    name: str = choice("adamw")
    weight_decay: float | None = number(0.004, at_least=0, below=1, optional=True)
    beta_1: float = _beta(0.9)
    beta_2: float = _beta(0.999)
    epsilon: float = _epsilon()
    amsgrad: bool = flag(False)


@dataclass(frozen=True, kw_only=True)
class Nadam(OptimizerConfig):
    """Adam with Nesterov momentum: Dozat, 2016."""

    name: str = choice("nadam")
    beta_1: float = _beta(0.9)
    beta_2: float = _beta(0.999)
    epsilon: float = _epsilon()


@dataclass(frozen=True, kw_only=True)
class Adagrad(OptimizerConfig):
    """Duchi, Hazan and Singer, 2011."""

    name: str = choice("adagrad")
    initial_accumulator_value: float = number(0.1, at_least=0)
    epsilon: float = _epsilon()


@dataclass(frozen=True, kw_only=True)
class Adadelta(OptimizerConfig):
    """Zeiler, 2012 (arXiv 1212.5701)."""

    name: str = choice("adadelta")
    rho: float = _beta(0.95)
    epsilon: float = _epsilon()


@dataclass(frozen=True, kw_only=True)
class Adamax(OptimizerConfig):
    """Adam in the infinity norm: Kingma and Ba, 2014, section 7.1."""

    name: str = choice("adamax")
    beta_1: float = _beta(0.9)
    beta_2: float = _beta(0.999)
    epsilon: float = _epsilon()


@dataclass(frozen=True, kw_only=True)
class Lion(OptimizerConfig):
    """The sign of an interpolated momentum: Chen et al., 2023 (arXiv 2302.06675)."""

    name: str = choice("lion")
    beta_1: float = number(0.9, above=0, at_most=1)
    beta_2: float = _beta(0.99)


OPTIMIZERS: dict[str, type[OptimizerConfig]] = {
    "rmsprop": RMSprop,
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": Nadam,
    "adagrad": Adagrad,
    "adadelta": Adadelta,
    "adamax": Adamax,
    "lion": Lion,
}


# --- schedule -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(Validated):
    """How the learning rate changes from step to step; `warmup_epochs` lead up to it linearly.

    `spans_training`: whether the rate of a step depends on `training.epochs`, so that a longer training is another one.
    """

    node = "schedule"
    spans_training: ClassVar[bool] = False
    name: str
    warmup_epochs: float = number(0.0, at_least=0)


@dataclass(frozen=True, kw_only=True)
class Constant(ScheduleConfig):
    """The learning rate stays what it is."""

    name: str = choice("constant")


@dataclass(frozen=True, kw_only=True)
class Cosine(ScheduleConfig):
    """Half a cosine down to `final_fraction` of the rate: Loshchilov and Hutter, 2016 (arXiv 1608.03983)."""

    spans_training = True
    name: str = choice("cosine")
    final_fraction: float = number(0.0, at_least=0, at_most=1)


@dataclass(frozen=True, kw_only=True)
class Step(ScheduleConfig):
    """The rate is multiplied by `factor` every `every_epochs` epochs."""

    name: str = choice("step")
    every_epochs: float = number(5.0, above=0)
    factor: float = number(0.5, above=0, at_most=1)


@dataclass(frozen=True, kw_only=True)
class InverseTime(ScheduleConfig):
    """The rate divided by (1 + `decay` x steps): what early Keras called `decay`."""

    name: str = choice("inverse_time")
    decay: float = number(1e-6, at_least=0)


SCHEDULES: dict[str, type[ScheduleConfig]] = {
    "constant": Constant,
    "cosine": Cosine,
    "step": Step,
    "inverse_time": InverseTime,
}


# --- training, data, compute --------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Validated):
    """How long to train, when to stop, after how many epochs to write a checkpoint (0: never).

    Stopping early and keeping the best epoch look at validation only.
    """

    node = "training"
    epochs: int = integer(15, at_least=1, at_most=100_000)
    batch_size: int = integer(32, at_least=1)
    max_minutes: float | None = number(None, above=0, optional=True)
    early_stopping_patience: int | None = integer(None, at_least=1, optional=True)
    restore_best_weights: bool = flag(False)
    checkpoint_every: int = integer(1, at_least=0)

    @property
    def needs_validation(self) -> bool:
        """Whether some setting cannot work without validation images."""
        return self.early_stopping_patience is not None or self.restore_best_weights


@dataclass(frozen=True, kw_only=True)
class DataConfig(Validated):
    """Which images, and how many of them train, validate and test.

    `validation_size` images are held out of the training images, the same number of each class where it divides
    evenly, drawn with `split_seed`. `train_size` then takes the first N of what is left, `test_size` the first N
    test images; null takes all. With `random_flip` half of the training images are mirrored, left to right, in each
    epoch others.
    """

    node = "data"
    name: str = choice("cifar10", "sample")
    path: str | None = text(None, optional=True, longest=4096)
    cache: str | None = text(None, optional=True, longest=4096)
    validation_size: int = integer(5000, at_least=0)
    train_size: int | None = integer(None, at_least=1, optional=True)
    test_size: int | None = integer(None, at_least=1, optional=True)
    split_seed: int = integer(0, at_least=0, below=2**32)
    random_flip: bool = flag(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        total = TRAIN_IMAGES[self.name]
        most = total - NUM_CLASSES
        if 0 < self.validation_size < NUM_CLASSES or self.validation_size > most:
            raise ConfigError(
                self.key("validation_size"),
                self.validation_size,
                f"0, or {NUM_CLASSES} to {most}, so that no class is left empty",
            )
        if self.train_size is not None and self.train_size > total - self.validation_size:
            raise ConfigError(
                self.key("train_size"),
                self.train_size,
                f"at most {total - self.validation_size} ({total} images less {self.validation_size} for validation)",
            )
        if self.test_size is not None and self.test_size > TEST_IMAGES[self.name]:
            raise ConfigError(
                self.key("test_size"),
                self.test_size,
                f"at most {TEST_IMAGES[self.name]}, the number of test images of data={self.name}",
            )
        if self.path is not None and self.name != "cifar10":
            raise ConfigError(self.key("path"), self.path, f"null, since data={self.name} is made up, not read")

    @property
    def train_images(self) -> int:
        """How many images a training epoch goes through."""
        return self.train_size or TRAIN_IMAGES[self.name] - self.validation_size


@dataclass(frozen=True, kw_only=True)
class ComputeConfig(Validated):
    """What the training runs on. `threads` null takes all cores it may use; `precision` below float32 needs a GPU."""

    node = "compute"
    device: str = choice("auto", "cpu", "gpu")
    backend: str = choice("tensorflow", "jax")
    threads: int | None = integer(None, at_least=1, at_most=1024, optional=True)
    deterministic: bool = flag(False)
    precision: str = choice("float32", "bfloat16", "float16")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision != "float32" and self.device == "cpu":
            raise ConfigError(
                self.key("precision"),
                self.precision,
                "float32 on a CPU",
                "Mixed precision is for GPUs: compute.device=gpu",
            )


# --- the whole ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunConfig(Validated):
    """One training, whole: everything that decides its result.

    Raises:
        ConfigError: two settings that do not go together, named by the one to change.
    """

    model: ModelConfig = field(default_factory=Model1Config)
    optimizer: OptimizerConfig = field(default_factory=lambda: RMSprop(learning_rate=5e-4))
    schedule: ScheduleConfig = field(default_factory=Constant)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    data: DataConfig = field(default_factory=DataConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    seed: int = integer(0, at_least=0, below=2**32)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.training.batch_size > self.data.train_images:
            raise ConfigError(
                "training.batch_size",
                self.training.batch_size,
                f"at most {self.data.train_images}, the number of training images",
            )
        if self.training.needs_validation and self.data.validation_size == 0:
            key = "restore_best_weights" if self.training.restore_best_weights else "early_stopping_patience"
            raise ConfigError(
                f"training.{key}",
                getattr(self.training, key),
                "a validation set to judge by",
                "Set data.validation_size, for example 5000",
            )
        if self.schedule.warmup_epochs > self.training.epochs:
            raise ConfigError(
                "schedule.warmup_epochs",
                self.schedule.warmup_epochs,
                f"at most training.epochs ({self.training.epochs})",
            )

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch; the last batch may be smaller than the others."""
        return math.ceil(self.data.train_images / self.training.batch_size)
