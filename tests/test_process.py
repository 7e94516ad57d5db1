"""Child processes: what they import, and that they go when their parent does, however it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlperf_registry.process import command, environment, running

ASKED = "import json, numpy, sys; print(json.dumps([numpy.__file__, sys.argv, __name__]))"
LONG = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(600)
"""
STARTING = """
import subprocess, sys, time
from mlperf_registry.process import command, environment
server = subprocess.Popen(command("stubborn"), env=environment(), stdout=subprocess.PIPE)
print(server.stdout.readline().decode(), end="", flush=True)
time.sleep(0 if sys.argv[1] == "True" else 600)
"""
PARENT = """
import subprocess, sys, time
from mlperf_registry.process import running
with running("long_child", stdin=subprocess.DEVNULL):
    time.sleep(600)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module that children find, beside a working directory with a numpy.py of the user's."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "numpy.py").write_text("raise RuntimeError('mine')")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    return make


def test_a_child_imports_what_its_parent_imports_and_not_what_lies_where_the_user_is(module):
    import json

    import numpy as np

    module("asked", ASKED)
    with running("asked", "one", "two", stdout=subprocess.PIPE) as child, child.stdout as answer:
        found, arguments, name = json.load(answer)
    assert found == np.__file__
    assert (Path(arguments[0]).name, *arguments[1:]) == ("asked.py", "one", "two") and name == "__main__"


def test_a_parent_that_imports_from_its_working_directory_has_children_that_do(module, monkeypatch):
    module("asked", ASKED)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    done = subprocess.run(command("asked"), env=environment(), capture_output=True, text=True)
    assert "RuntimeError: mine" in done.stderr


def gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("grace", [0.0, 20.0])
@pytest.mark.parametrize("ends_by_itself", [False, True])
def test_what_a_child_started_goes_with_it_even_where_it_ignores_requests(module, grace, ends_by_itself):
    module("stubborn", STUBBORN)
    module("starting", STARTING)
    begun = time.monotonic()
    with running("starting", str(ends_by_itself), grace=grace, stdout=subprocess.PIPE) as child:
        pid = int(child.stdout.readline())
        if ends_by_itself:
            child.wait()
        assert not gone(pid)
    child.stdout.close()
    for _ in range(20):
        if gone(pid):
            break
        time.sleep(0.05)
    else:
        os.kill(pid, signal.SIGKILL)
        raise AssertionError("the child's child is still there")
    assert time.monotonic() - begun < 15  # the child heeds the request, and nobody waits out its grace


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_child_goes_with_its_parent(module, number):
    module("long_child", LONG)
    with subprocess.Popen([sys.executable, "-c", PARENT], env=environment(), stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.send_signal(number)
        parent.wait()
        for _ in range(50):
            if gone(pid):
                return
            time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the child outlived its parent")


def test_a_child_whose_parent_was_gone_before_it_began_does_nothing(module, monkeypatch):
    module("long_child", LONG)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with running("long_child", stdout=subprocess.PIPE) as child, child.stdout as answer:
        assert (answer.read(), child.wait()) == (b"", 1)


def test_a_child_that_sees_to_its_own_end_outlives_the_thread_that_started_it(module):
    module("asked", "import sys, time; sys.stdin.read(); print('here')")
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = []
    thread = threading.Thread(
        target=lambda: children.append(subprocess.Popen(command("asked"), env=environment(), **streams))
    )
    thread.start()
    thread.join()
    assert children[0].communicate("go on", timeout=20)[0] == "here\n"


def test_an_interrupt_between_the_start_and_our_knowing_of_it_leaves_no_child(module, monkeypatch):
    module("long_child", LONG)
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    with pytest.raises(KeyboardInterrupt), running("long_child", stdout=subprocess.DEVNULL):
        raise AssertionError("nobody should get here")
    assert started[0].poll() == -signal.SIGKILL


@pytest.fixture
def handlers():
    """Handlers of this process that raise their own signal's name, and what they are."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def interrupt(number, frame):
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in before:
        signal.signal(number, interrupt)
    yield dict.fromkeys(before, interrupt)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("at", range(6))
def test_handlers_are_back_whenever_an_interrupt_comes(module, monkeypatch, handlers, at):
    module("nothing", "")
    swap, calls = signal.signal, []

    def interrupted(number, handler):
        before = swap(number, handler)
        calls.append(number)
        if len(calls) == at + 1:
            for each in handlers:  # one of them has its own handler by now, or still
                signal.raise_signal(each)
        return before

    monkeypatch.setattr(signal, "signal", interrupted)
    with pytest.raises(KeyboardInterrupt), running("nothing"):
        pass
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def test_every_interrupt_that_was_put_off_comes(module, monkeypatch, handlers):
    module("nothing", "")
    came = []

    def note(number, frame):
        came.append(number)
        raise KeyboardInterrupt

    for number in handlers:
        signal.signal(number, note)

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            for number in handlers:
                signal.raise_signal(number)
            assert not came

    monkeypatch.setattr(subprocess, "Popen", Popen)
    with pytest.raises(KeyboardInterrupt), running("nothing"):
        pass
    assert sorted(came) == sorted(handlers)
