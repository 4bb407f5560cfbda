"""Commands that are timed as a whole."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.processes import PROJECT, STATUS, folder_on_the_same_disk, run_to_end

pytestmark = pytest.mark.usefixtures("signals_arrive")


def test_a_command_is_timed_in_its_folder_with_its_environment(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text("import os, sys\nopen('told', 'w').write(os.environ['WORD'] + sys.argv[1])")
    ended = run_to_end("told", ["!"], str(tmp_path), {"WORD": "here", "PYTHONPATH": str(tmp_path)})
    assert (tmp_path / "told").read_text() == "here!"
    assert 0 < ended.seconds < 60
    assert ended.peak_memory_mb > 1


@pytest.mark.skipif(not STATUS.exists(), reason="LEFT OUT: only Linux tells it")
def test_the_peak_of_a_process_is_its_own_and_not_that_of_its_parent() -> None:
    large = bytearray(os.urandom(1)) * 500_000_000
    code = "from benchmarks.processes import own_peak_memory_mb as peak; a = b'x' * 10**8; print(peak())"
    told = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, check=True).stdout
    assert len(large) / 1e6 > int(told) > 100


def test_a_command_that_fails_says_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"json.tool nothing.json: exit code 2(.|\n)*No such file"):
        run_to_end("json.tool", ["nothing.json"], str(tmp_path), {})


def test_ctrl_c_ends_the_command_too(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, time\nopen('pid.part', 'w').write(str(os.getpid()))\nos.rename('pid.part', 'pid')\ntime.sleep(60)"
    )

    def press() -> None:
        while not (tmp_path / "pid").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_to_end("slow", [], str(tmp_path), {"PYTHONPATH": str(tmp_path)})
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_is_written_lies_where_a_user_s_runs_do() -> None:
    with folder_on_the_same_disk() as folder:
        assert Path(folder).parent == PROJECT / "outputs"
    assert not Path(folder).exists()
