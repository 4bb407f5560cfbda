"""Reads a network from a `.keras` file, and nothing that is more than a network."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cifar.archives import file_sha256
from cifar.proof import refused

LARGEST = 4 * 2**30
"""Bytes that a file may have at most."""

_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_LARGEST_CONFIG = 2**20
_MODULES = ("keras.layers", "keras.initializers", "keras.constraints", "keras.regularizers")
_OTHER_CLASSES = (("keras", "Sequential"), ("keras", "DTypePolicy"))
_REFUSED_LAYERS = {
    "Lambda": "runs Python code",
    "TFSMLayer": "runs a TensorFlow program from a file",
    "JaxLayer": "runs Python code",
    "FlaxLayer": "runs Python code",
    "TorchModuleWrapper": "runs Python code",
    "StringLookup": "reads files",
    "IntegerLookup": "reads files",
    "TextVectorization": "reads files",
}


def load_model_file(path: Path, sha256: str, where: object) -> Any:
    """The Keras model in a `.keras` file that has this SHA-256, not compiled.

    Only what Keras itself writes for a stack of its own layers is read: three members, none compressed, no code, no
    links. `path` must lie where nobody else can change it between the check and the reading.

    Raises:
        DataError: it is anything else; the message begins with `where`.
    """
    _check_file(path, sha256, where)
    with zipfile.ZipFile(path) as archive:
        _check_members(archive.infolist(), where)
        _check_config(archive.read("config.json"), where)
        with archive.open("model.weights.h5") as weights:
            _check_weights(weights, where)
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise refused(where, f"Keras cannot load it ({str(error)[:300]})", "a network of this Keras") from error


def _check_file(path: Path, sha256: str, where: object) -> None:
    if path.suffix != ".keras" or not path.is_file() or path.is_symlink():
        raise refused(where, f"{path.name} is no .keras file", "model.keras, the only form that is loaded")
    if path.stat().st_size > LARGEST:
        raise refused(where, f"{path.stat().st_size} bytes", f"at most {LARGEST}")
    if (found := file_sha256(path)) != sha256:
        raise refused(where, f"sha256 {found}", f"{sha256}, as it was recorded; it was changed since")
    if not zipfile.is_zipfile(path):
        raise refused(where, "no zip archive", "a .keras file as Keras 3 writes it")


def _check_members(members: list[zipfile.ZipInfo], where: object) -> None:
    names = [member.filename for member in members]
    if sorted(names) != sorted(_MEMBERS):
        raise refused(where, f"holds {', '.join(names)[:200]}", ", ".join(_MEMBERS))
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            found = f"{member.filename}: {member.compress_size} bytes that unpack to {member.file_size}"
            raise refused(where, found, "no compression, as Keras writes it")
        if member.filename != "model.weights.h5" and member.file_size > _LARGEST_CONFIG:
            raise refused(where, f"{member.filename}: {member.file_size} bytes", f"at most {_LARGEST_CONFIG}")


def _check_config(content: bytes, where: object) -> None:
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise refused(where, f"config.json: {error}", "JSON") from None
    if not isinstance(config, dict) or config.get("class_name") != "Sequential":
        raise refused(where, "config.json describes no Sequential", "a network of this project")
    config.pop("compile_config", None)  # not used: the model is loaded without its optimizer
    for node in _objects(config):
        module, name = node.get("module"), node.get("class_name")
        if module == "keras.layers" and name in _REFUSED_LAYERS:
            raise refused(
                where, f"it holds a {name}, which {_REFUSED_LAYERS[name]}", "layers of Keras that only compute"
            )
        if module not in _MODULES and (module, name) not in _OTHER_CLASSES:
            raise refused(where, f"config.json asks for {module}.{name}", "layers of Keras that only compute")
        if node.get("registered_name") is not None or node.get("compile_config") is not None:
            raise refused(where, f"config.json: {name} brings settings of its own", "layers of Keras that only compute")


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    """Every dict in a configuration that Keras would build something from."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class_name" in node or "spec_name" in node:
                yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _check_weights(file: Any, where: object) -> None:
    import h5py

    try:
        with h5py.File(file, "r") as weights:
            _check_group(weights, where)
    except (OSError, RuntimeError, KeyError) as error:
        raise refused(where, f"model.weights.h5 cannot be read ({error})", "an HDF5 file of weights") from None


def _check_group(group: Any, where: object) -> None:
    import h5py

    for name in group:
        place = f"model.weights.h5: {group.name.rstrip('/')}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise refused(where, f"{place} is a link to elsewhere", "weights in the file itself")
        item = group[name]
        if isinstance(item, h5py.Group):
            _check_group(item, where)
        elif item.external or item.is_virtual:
            raise refused(where, f"{place} lies in another file", "weights in the file itself")
        elif item.id.get_storage_size() != item.nbytes:
            stored = item.id.get_storage_size()
            raise refused(where, f"{place}: {stored} bytes that unpack to {item.nbytes}", "no compression")
