"""Nothing that is recorded or printed may carry a password."""

from __future__ import annotations

import os
import re
import shlex
import traceback
from collections.abc import Sequence

HIDDEN = "***"

_SECRET_NAME = re.compile(r"pass|token|secret|key|credential", re.IGNORECASE)
# name and password of an address; libraries take a password with a slash or a quote as it is, up to the last @, but
# http://host:5000/a@b has a port
_USERINFO = re.compile(r"(?<=://)(?:[^/\s'\"]+|[^/\s:@\"]*:(?!\d{1,5}/)[^\s\"]*)@")
_QUERY = re.compile(r"([?&](?:[^=&\s]*(?:pass|pwd|token|secret|key|credential)[^=&\s]*|sig)=)[^&\s'\"]+", re.IGNORECASE)
_SHORTEST_SECRET = 6
"""Shorter values of the environment ("1", "false") are too common in ordinary text to be replaced in it."""


def redact(text: str) -> str:
    """The text without user, password and secret parameters in URLs, and without secret environment variables."""
    text = _QUERY.sub(rf"\1{HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", text))
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, HIDDEN)
    return text


def redacted_traceback(error: BaseException) -> str:
    """What Python would print of an error, without secrets."""
    return redact("".join(traceback.format_exception(error)))


def redact_command(arguments: Sequence[str]) -> str:
    """A command line as it can be typed again, but for its secrets: `token=...`, `--password ...`, URLs."""
    shown: list[str] = []
    secret_follows = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        secret = _SECRET_NAME.search(name) is not None
        if secret_follows:
            shown.append(HIDDEN)
        elif equals and secret:
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(redact(argument))
        secret_follows = secret and not equals and argument.startswith("-")
    return shlex.join(shown).replace(f"'{HIDDEN}'", HIDDEN)
