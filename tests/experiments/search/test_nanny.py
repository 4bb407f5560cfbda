from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest
from distributed import Scheduler

from experiments.search.nanny import SureNanny


def test_a_process_that_froze_while_it_came_up_is_gone_when_its_nanny_is_closed(tmp_path: Path) -> None:
    number = tmp_path / "number"
    freezes = (
        f"import os, signal\nopen({str(number)!r}, 'w').write(str(os.getpid()))\nos.kill(os.getpid(), signal.SIGSTOP)"
    )
    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}

    async def start() -> None:
        async with Scheduler(dashboard=False, **here) as scheduler:
            await SureNanny(scheduler.address, nthreads=1, preload=[freezes], death_timeout=5, **here)

    with pytest.raises((TimeoutError, AssertionError)):  # of Dask, whichever is first
        asyncio.run(start())
    frozen = int(number.read_text())
    assert frozen != os.getpid()
    assert not psutil.pid_exists(frozen) or psutil.Process(frozen).status() == psutil.STATUS_ZOMBIE
