from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from distributed import Scheduler

from experiments.search.nanny import SureNanny
from tests.experiments.search.jobs import is_gone, wait_for


def test_a_process_that_froze_while_it_came_up_is_gone_when_its_nanny_is_closed(tmp_path: Path) -> None:
    number = tmp_path / "number"
    freezes = (
        f"import os, signal\nopen({str(number)!r}, 'w').write(str(os.getpid()))\nos.kill(os.getpid(), signal.SIGSTOP)"
    )
    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}

    async def start_and_close() -> None:
        async with Scheduler(dashboard=False, **here) as scheduler:
            nanny = SureNanny(scheduler.address, nthreads=1, preload=[freezes], **here)
            starting = asyncio.ensure_future(nanny)
            while not (number.exists() and number.read_text()):
                await asyncio.sleep(0.05)
            starting.cancel()  # as a nanny does whose patience is over
            with pytest.raises(AssertionError):  # Dask's close() knows no process that comes up
                await nanny.close()

    asyncio.run(start_and_close())
    frozen = int(number.read_text())
    assert frozen != os.getpid()
    wait_for(lambda: is_gone(frozen))
