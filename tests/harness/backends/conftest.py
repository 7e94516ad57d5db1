"""What tests of several backends share: a stand-in for an engine's library, and what a core reports, collected."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest
from collected import Collected


@pytest.fixture
def collected():
    return Collected()


@pytest.fixture
def standin(monkeypatch):
    """Take the package ``name`` from ``folder``, in place of whatever is installed, for the time of a test.

    Processes that are started meanwhile have it, too.
    """
    taken = []

    def loaded(name):
        return [module for module in sys.modules if module.partition(".")[0] == name]

    def take(name, folder):
        taken.append(name)
        for module in loaded(name):
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        package = importlib.import_module(name)
        assert Path(package.__file__).is_relative_to(folder)
        return package

    yield take
    for name in taken:
        for module in loaded(name):
            del sys.modules[module]
