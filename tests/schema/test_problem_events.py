"""Errors cross from a child process as JSON, and are the same kind of error again."""

from __future__ import annotations

import json

import pytest

from mlperf_registry.schema.problem import (
    ConfigError,
    NotReady,
    Problem,
    RunFailed,
    WrongData,
    WrongLog,
    as_event,
    from_event,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotReady("No GPU is here."), NotReady),
        (RunFailed("It broke."), RunFailed),
        (WrongData("The data is of another benchmark."), NotReady),
        (WrongLog("The log is damaged."), RunFailed),
    ],
)
def test_a_sentence_comes_back_with_the_exit_code_of_its_kind(error, kind):
    back = from_event(json.loads(json.dumps(as_event(error))))
    assert type(back) is kind
    assert (str(back), back.exit_code) == (str(error), error.exit_code)


def test_every_problem_comes_back_whole():
    problems = (Problem("a.b", "is 3", "conf/x.yaml", 7, "a.b=4"), Problem("c", "is not set"))
    back = from_event(json.loads(json.dumps(as_event(ConfigError(problems)))))
    assert isinstance(back, ConfigError) and back.problems == problems
