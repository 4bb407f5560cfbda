"""Train one network, or with -m several, and record everything in MLflow: python -m experiments.run --help."""

from __future__ import annotations

if __name__ == "__main__":
    from experiments.tracking.signals import end_on_stop

    end_on_stop()  # before the imports below, which take their time

import sys

from experiments.ending import framed
from experiments.usage import asks_for_help, help_text


def main(argv: list[str]) -> int:
    """Run a command line; returns the exit code: 0 done, 1 a run failed, 2 the command line, or its run, is wrong."""
    return framed(lambda: _run(argv))


def _run(argv: list[str]) -> int:
    if asks_for_help(argv):
        print(help_text(argv), end="")
        return 0
    from experiments.launch import launch  # with Hydra, which help does not wait for

    return launch(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
