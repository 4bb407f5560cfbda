"""Keeps a number of SLURM jobs with a worker each, until Ctrl-C: python docs/clusters/slurm.py --jobs 8."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

import dask
import yaml

REPLACE_SECONDS = 30.0
"""So often jobs that have ended, of their walltime for one, are replaced."""


def main() -> int:
    """Start a scheduler here and workers in jobs; when told to stop, cancel the jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="how many jobs, each with one worker")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("slurm.yaml"))
    parser.add_argument("--show", action="store_true", help="only print the script of a job")
    args = parser.parse_args()
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        print("error: dask-jobqueue is not installed: pip install dask-jobqueue", file=sys.stderr)
        return 2

    dask.config.update(dask.config.config, yaml.safe_load(args.config.read_text(encoding="utf-8")))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no job is left behind
    with SLURMCluster() as cluster:
        if args.show:
            print(cluster.job_script())
            return 0
        print(f"workers.address={cluster.scheduler_address}", flush=True)
        try:
            while True:
                cluster.scale(jobs=args.jobs)
                time.sleep(REPLACE_SECONDS)
        except KeyboardInterrupt:
            print("cancelling the jobs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
