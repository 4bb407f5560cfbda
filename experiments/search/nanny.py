"""Dask's nanny, which starts a worker process and starts it again, made to leave none behind."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any, Literal

from distributed import Nanny


class SureNanny(Nanny):
    """A nanny whose process is gone when it is closed; Dask's forgets one that froze while it came up."""

    async def close(self, *arguments: Any, **named: Any) -> Literal["OK"]:
        """Ends the process, at once where it does not end by itself in time."""
        process = self.process.process if self.process else None
        try:
            return await super().close(*arguments, **named)
        finally:
            if process is not None:
                with suppress(ValueError, ProcessLookupError):  # ValueError: it has ended, and is closed
                    if process.is_alive():
                        os.kill(process.pid, signal.SIGKILL)
