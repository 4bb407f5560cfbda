"""CIFAR-10 in miniature: 20 training and 10 test images, in every form that the real one comes in."""

import gzip
import io
import json
import pickle
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from cifar.proof import Arrays, Proof


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 wrote: text as byte strings, NumPy under its old module name."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes | str) -> None:
        raw = value.encode() if isinstance(value, str) else value
        self.write(pickle.BINSTRING + len(raw).to_bytes(4, "little") + raw)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_bytes

    def save_global(self, value: object, name: str | None = None) -> None:
        if value.__name__ == "_reconstruct":
            self.write(b"cnumpy.core.multiarray\n_reconstruct\n")
        else:
            super().save_global(value, name)

    dispatch[type(len)] = save_global
    dispatch[type(lambda: None)] = save_global
    dispatch[type] = save_global


def python2_pickle(value: object) -> bytes:
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    return stream.getvalue()


class Tiny:
    """The miniature: `arrays`, their `proof`, and functions that write them to disk."""

    def __init__(self) -> None:
        random = np.random.RandomState(7)
        images = random.randint(0, 256, (30, 32, 32, 3)).astype(np.uint8)
        labels = (np.arange(30) % 10).astype(np.uint8)
        self.arrays = Arrays(images[:20], labels[:20], images[20:], labels[20:])
        self.proof = Proof.of(self.arrays)

    def batches(self, dump: Callable[[object], bytes] = python2_pickle) -> dict[str, bytes]:
        """The files of cifar-10-batches-py: five batches of 4 images and a test batch of 10."""
        train, test = self.arrays[:2], self.arrays[2:]
        parts = {f"data_batch_{k + 1}": [array[4 * k : 4 * k + 4] for array in train] for k in range(5)}
        parts["test_batch"] = list(test)
        return {name: dump(self.batch(*part)) for name, part in parts.items()}

    def batch(self, images: np.ndarray, labels: np.ndarray) -> dict[str, object]:
        rows = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), 3072)
        return {"batch_label": "a batch", "labels": labels.tolist(), "data": rows, "filenames": ["a.png"] * len(labels)}

    def png(self, images: np.ndarray) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(images.reshape(-1, 1024, 3)).save(stream, "PNG")
        return stream.getvalue()

    def npm_files(self) -> dict[str, bytes]:
        """The files of the npm package."""
        train = self.arrays.train_images
        files = {f"data_batch_{k + 1}.png": self.png(train[4 * k : 4 * k + 4]) for k in range(5)}
        files["test_batch.png"] = self.png(self.arrays.test_images)
        files["train_lables.json"] = json.dumps(self.arrays.train_labels.tolist()).encode()
        files["test_lables.json"] = json.dumps(self.arrays.test_labels.tolist()).encode()
        return files

    def archive(self, path: Path, files: dict[str, bytes] | None = None, folder: str = "cifar-10-batches-py") -> Path:
        """A tar.gz of these files, the official ones unless others are given."""
        path.write_bytes(tar_gz({f"{folder}/{name}": content for name, content in (files or self.batches()).items()}))
        return path

    def npm(self, path: Path) -> Path:
        return self.archive(path, self.npm_files(), "package")

    def folder(self, path: Path) -> Path:
        path.mkdir()
        for name, content in self.batches().items():
            (path / name).write_bytes(content)
        return path

    def npz(self, path: Path, **changed: np.ndarray) -> Path:
        """An npz as Keras keeps it, labels as (n, 1); `changed` replaces arrays."""
        a = self.arrays
        arrays = {"x_train": a.train_images, "y_train": a.train_labels[:, None]}
        arrays |= {"x_test": a.test_images, "y_test": a.test_labels[:, None]}
        np.savez(path, **(arrays | changed))
        return path


def tar_gz(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for other in others:
            archive.addfile(other)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), 1, mtime=0)  # the same files, the same bytes, in whichever second


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    return Tiny()


class Server:
    """A web server on this machine that answers request n with `answer(handler, n)` and counts them."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, int], None]) -> None:
        self.requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                answer(self, outer.requests)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/cifar-10-python.tar.gz"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Starts servers that answer with given bytes, or as a function says, and stops them afterwards."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers: list[Server] = []

    def start(answer: bytes | Callable[[BaseHTTPRequestHandler, int], None]) -> Server:
        def send(handler: BaseHTTPRequestHandler, _: int) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(answer)))
            handler.end_headers()
            handler.wfile.write(answer)

        servers.append(Server(send if isinstance(answer, bytes) else answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def make_tar() -> Callable[..., bytes]:
    """Makes the bytes of a tar.gz out of files by name and of other members, such as links."""
    return tar_gz
