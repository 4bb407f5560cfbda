"""A file of a network that is more than a network: each is refused in one line, and nothing of it runs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cifar.archives import file_sha256
from cifar.model_files import load_model_file
from cifar.proof import DataError

Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def network(tensorflow_on_cpu: None) -> Any:
    import keras

    layers = keras.layers
    pooled = [keras.Input((32, 32, 3)), layers.AveragePooling2D(8), layers.Flatten()]
    return keras.Sequential([*pooled, layers.Dense(10, activation="softmax", name="dense")])


@pytest.fixture
def file(network: Any, tmp_path: Path) -> Path:
    network.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(file: Path, contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def with_layer(file: Path, module: str | None, name: str, config: dict[str, Any], **others: Any) -> None:
    """Puts one more layer at the end of the network's configuration."""
    contents = members(file)
    tree = json.loads(contents["config.json"])
    tree["config"]["layers"].append({"module": module, "class_name": name, "config": config, **others})
    rewrite(file, contents | {"config.json": json.dumps(tree).encode()})


def with_weights(file: Path, change: Callable[[h5py.File], object]) -> None:
    contents = members(file)
    weights = io.BytesIO(contents["model.weights.h5"])
    with h5py.File(weights, "r+") as opened:
        change(opened)
    rewrite(file, contents | {"model.weights.h5": weights.getvalue()})


def refusal(file: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_model_file(file, file_sha256(file), "here")
    message = str(caught.value)
    assert message.startswith("here: ")
    assert message.isprintable()
    return message.removeprefix("here: ")


def test_what_keras_wrote_answers_as_before(network: Any, file: Path) -> None:
    images = np.random.default_rng(0).random((3, 32, 32, 3), np.float32)
    loaded = load_model_file(file, file_sha256(file), "here")
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(network(images)))
    assert not loaded.compiled


@pytest.mark.parametrize("name", ["model1", "model2", "model3"])
def test_each_of_our_networks_is_let_in(name: str, tmp_path: Path, tensorflow_on_cpu: None) -> None:
    from cifar.config import MODELS
    from cifar.models import build_model, with_raw_input

    network = with_raw_input(build_model(MODELS[name](filters=2, dense_units=4), seed=0))  # type: ignore[arg-type]
    network.save(tmp_path / "model.keras")
    assert load_model_file(tmp_path / "model.keras", file_sha256(tmp_path / "model.keras"), "here").name == name


def test_a_file_of_another_hash_is_refused_with_both(file: Path) -> None:
    recorded = file_sha256(file)
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1  # Keras itself loads it: a weight has another value
    file.write_bytes(changed)
    with pytest.raises(DataError) as caught:
        load_model_file(file, recorded, "here")
    assert str(caught.value) == (
        f"here: sha256 {file_sha256(file)}; expected {recorded}, as it was recorded; it was changed since"
    )


@pytest.mark.parametrize("name", ["model.h5", "model.pkl", "saved_model.pb", "model.weights.h5"])
def test_no_other_form_is_loaded(file: Path, name: str) -> None:
    assert refusal(file.rename(file.with_name(name))) == (
        f"{name} is no .keras file; expected model.keras, the only form that is loaded"
    )


def test_a_folder_and_a_link_under_the_name_are_refused(file: Path, tmp_path: Path) -> None:
    for number, make in enumerate((Path.mkdir, lambda path: path.symlink_to(file))):
        place = tmp_path / str(number) / "model.keras"
        place.parent.mkdir()
        make(place)
        with pytest.raises(DataError, match=r"model\.keras is no \.keras file"):
            load_model_file(place, "0" * 64, "here")


CODE = {"class_name": "__lambda__", "config": {"value": "4wAAAAAAAAAA"}}


@pytest.mark.parametrize(
    ("module", "name", "config", "said"),
    [
        ("keras.layers", "Lambda", {"function": CODE}, "it holds a Lambda, which runs Python code"),
        ("keras.layers", "TFSMLayer", {"filepath": "x"}, "it holds a TFSMLayer, which runs a TensorFlow program"),
        ("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}, "it holds a StringLookup, which reads files"),
        ("os", "system", {"command": "touch MARKER"}, "config.json asks for os.system"),
        ("os", "function", {"config": "touch MARKER"}, "config.json asks for os.function"),
        ("builtins", "function", {"config": "exec"}, "config.json asks for builtins.function"),
        ("keras.utils", "get_file", {"fname": "MARKER"}, "config.json asks for keras.utils.get_file"),
        ("keras.saving", "load_model", {"filepath": "x"}, "config.json asks for keras.saving.load_model"),
        ("keras.src.layers.core.lambda_layer", "Lambda", {}, "config.json asks for keras.src.layers.core.lambda_layer"),
        ("cifar.npz", "read_npz", {}, "config.json asks for cifar.npz.read_npz"),
        (None, "Lambda", {"function": CODE}, "config.json asks for None.Lambda"),
        ("keras", "Model", {}, "config.json asks for keras.Model"),
    ],
)
def test_a_layer_that_could_do_more_than_compute_is_refused_and_nothing_runs(
    file: Path, monkeypatch: pytest.MonkeyPatch, module: str | None, name: str, config: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(file.parent)
    with_layer(file, module, name, config)
    assert refusal(file).startswith(said)
    assert [path.name for path in file.parent.iterdir()] == ["model.keras"]


def test_code_deep_inside_an_ordinary_layer_is_found(file: Path) -> None:
    inner = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": CODE}}
    with_layer(file, "keras.layers", "TimeDistributed", {"layer": {"wrapped": [[inner]]}})
    assert refusal(file).startswith("it holds a Lambda")


def test_a_function_as_an_activation_is_refused(file: Path) -> None:
    activation = {"module": "builtins", "class_name": "function", "config": "eval"}
    with_layer(file, "keras.layers", "Dense", {"units": 1, "activation": activation})
    assert refusal(file).startswith("config.json asks for builtins.function")


def test_a_name_registered_by_somebody_is_refused(file: Path) -> None:
    with_layer(file, "keras.layers", "Dense", {"units": 1}, registered_name="mine>Dense")
    assert refusal(file).startswith("config.json: Dense brings settings of its own")


def test_a_zip_bomb_is_refused_from_its_directory(file: Path) -> None:
    rewrite(file, members(file) | {"model.weights.h5": b"\0" * 2**24}, zipfile.ZIP_DEFLATED)
    assert "bytes that unpack to" in refusal(file)


def test_members_that_keras_does_not_write_are_refused(file: Path) -> None:
    rewrite(file, members(file) | {"assets/../../outside": b"x"})
    assert refusal(file) == (
        "holds metadata.json, config.json, model.weights.h5, assets/../../outside; "
        "expected metadata.json, config.json, model.weights.h5"
    )


@pytest.mark.parametrize("content", [b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"class_name": "Functional"}'])
def test_a_configuration_that_is_none_is_refused(file: Path, content: bytes) -> None:
    rewrite(file, members(file) | {"config.json": content})
    assert refusal(file).startswith("config.json")


@pytest.mark.parametrize("content", [b"no archive at all", b""])
def test_a_file_that_is_no_archive_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert refusal(file).startswith("no zip archive")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda weights: weights.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")), "/x is a link to elsewhere"),
        (lambda weights: weights.__setitem__("x", h5py.SoftLink("/layers")), "/x is a link to elsewhere"),
        (
            lambda weights: weights.create_dataset("x", (4,), "u1", external=[("/etc/hostname", 0, 4)]),
            "/x lies in another file",
        ),
        (
            lambda weights: weights.create_dataset("x", (2**34,), "f4", chunks=(2**20,), compression="gzip"),
            "/x: 0 bytes that unpack to 68719476736",
        ),
    ],
)
def test_weights_that_lead_elsewhere_or_unpack_without_end_are_refused(
    file: Path, change: Callable[[h5py.File], object], said: str
) -> None:
    with_weights(file, change)
    assert said in refusal(file)


def test_weights_that_are_no_hdf5_are_refused(file: Path) -> None:
    rewrite(file, members(file) | {"model.weights.h5": b"\x89HDF no"})
    assert refusal(file).startswith("model.weights.h5 cannot be read")


def test_weights_of_another_network_are_refused(file: Path) -> None:
    with_layer(file, "keras.layers", "Dense", {"units": 3, "name": "more"})
    assert refusal(file).startswith("Keras cannot load it")
