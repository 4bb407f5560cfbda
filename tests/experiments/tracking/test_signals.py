from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from experiments.tracking import signals
from experiments.tracking.signals import Terminated, code_of, held_back, name_of, raise_on_stop, stop_behind

pytestmark = pytest.mark.usefixtures("signals_arrive")

ROOT = Path(__file__).resolve().parents[3]


def send_sigterm_and_wait() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def test_sigterm_raises_in_the_main_thread_and_the_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), raise_on_stop():
        send_sigterm_and_wait()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("number", "name", "code"),
    [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143), (signal.SIGHUP, "SIGHUP", 129)],
)
def test_a_stop_has_a_name_and_the_exit_code_of_shells(number: signal.Signals, name: str, code: int) -> None:
    with pytest.raises((KeyboardInterrupt, Terminated)) as caught, raise_on_stop():
        signal.raise_signal(number)
    stop = caught.value
    assert isinstance(stop, KeyboardInterrupt | Terminated)
    assert (name_of(stop), code_of(stop)) == (name, code)
    there_and_back = pickle.loads(pickle.dumps(stop))
    assert (name_of(there_and_back), code_of(there_and_back)) == (name, code), "a worker process hands it on"


def test_an_error_that_a_library_makes_of_a_stop_is_the_stop() -> None:
    def import_a_library() -> None:
        try:
            send_sigterm_and_wait()
        except BaseException:
            raise ImportError("initialization failed") from None  # as TensorFlow does

    with pytest.raises(Terminated), raise_on_stop():
        import_a_library()
    with pytest.raises(ImportError), raise_on_stop():
        raise ImportError("of its own")


def test_before_anything_has_begun_a_stop_ends_the_process_at_once() -> None:
    script = (
        "import os, signal, time\nfrom experiments.tracking.signals import end_on_stop\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nend_on_stop()\nos.kill(os.getpid(), signal.SIGHUP)\n"
        "class Deaf:\n    def __del__(self): os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)\nDeaf()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "stopped by SIGTERM\n"), "SIGHUP was ignored"


def test_except_exception_does_not_swallow_it() -> None:
    assert not issubclass(Terminated, Exception)


def test_a_second_sigterm_does_not_cut_the_closing_short() -> None:
    closed = []

    def work() -> None:
        try:
            send_sigterm_and_wait()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            closed.append(True)

    with pytest.raises(Terminated), raise_on_stop():
        work()
    assert closed == [True]


def test_ctrl_c_raises_keyboard_interrupt_once() -> None:
    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt), raise_on_stop():
        work()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("sent", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_stop_that_a_destructor_swallows_is_raised_again(
    monkeypatch: pytest.MonkeyPatch, sent: signal.Signals, raised: type[BaseException]
) -> None:
    class Deaf:
        def __del__(self) -> None:
            os.kill(os.getpid(), sent)
            time.sleep(0.01)

    def work() -> None:
        Deaf()
        time.sleep(5)

    monkeypatch.setattr(signals, "AGAIN_SECONDS", 0.5)  # pytest needs a moment to note what was swallowed
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(raised), raise_on_stop():
        work()
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_stop_during_a_write_waits_when_it_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def work() -> None:
        try:
            send_sigterm_and_wait()
        finally:
            with held_back():
                time.sleep(0.1)
                written.append("all of it")

    monkeypatch.setattr(signals, "AGAIN_SECONDS", 0.05)
    with pytest.raises(Terminated), raise_on_stop():
        work()
    assert written == ["all of it"]


def test_a_second_stop_waits_for_the_closing_and_is_dropped() -> None:
    closed = []

    def work() -> None:
        try:
            send_sigterm_and_wait()
        finally:
            with held_back() as stops:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)
                closed.append(list(stops))

    with pytest.raises(Terminated), raise_on_stop():
        work()
    assert closed == [[signal.SIGINT]]


def test_a_stop_during_the_closing_of_one_job_ends_all_of_them() -> None:
    jobs = []

    def work() -> None:
        for job in range(3):
            with raise_on_stop(), held_back():
                jobs.append(job)
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.01)

    with pytest.raises(Terminated), raise_on_stop():
        work()
    assert jobs == [0]


def test_a_ctrl_c_that_the_process_was_told_to_ignore_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with raise_on_stop():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_may_use_it_without_effect() -> None:
    done = []

    def work() -> None:
        with raise_on_stop():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_a_signal_during_a_write_waits_for_its_end() -> None:
    written = []

    def write() -> None:
        with raise_on_stop(), held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            written.append("all of it")

    with pytest.raises(Terminated):
        write()
    assert written == ["all of it"]


def test_a_signal_during_a_write_reaches_the_handler_that_stood_before() -> None:
    with pytest.raises(KeyboardInterrupt), held_back():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stop_that_a_library_swallowed_before_it_failed_is_still_a_stop() -> None:
    found = []

    def trace() -> None:
        with suppress(BaseException):  # as Keras does where it asks for a tensor's size
            send_sigterm_and_wait()
        found.append(stop_behind(TypeError("there is no size")))

    with raise_on_stop():
        trace()
    assert [type(stop) for stop in found] == [Terminated]
    assert stop_behind(TypeError("long after")) is None


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Terminated()])
def test_a_stop_is_found_behind_what_a_library_made_of_it(stop: BaseException) -> None:
    def trace() -> None:
        try:
            raise stop
        except BaseException:
            raise TypeError("in the midst of tracing")  # noqa: B904  (as TensorFlow does)

    with pytest.raises(TypeError) as caught:
        trace()
    assert stop_behind(caught.value) is stop
    assert stop_behind(TypeError("of its own")) is None
