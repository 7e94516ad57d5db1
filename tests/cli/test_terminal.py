"""Progress: plain lines that are not too many, and a live line on a terminal."""

import io

from mlperf_registry.cli import terminal
from mlperf_registry.cli.terminal import LiveProgress, PlainProgress, progress_text
from mlperf_registry.execute.length import Length
from mlperf_registry.execute.progress import TokenProgress


def test_plain_progress_is_rate_limited(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.phase("performance", "resnet50 Offline")
    for step in range(1, 41):
        now[0] = step * 0.5
        progress.samples(completed=step * 100, rate=200.0, elapsed=now[0], length=Length(20.0, 0))
    progress.note("noted")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "performance: resnet50 Offline"
    assert lines[-1] == "noted"
    assert len(lines) == 2 + 4
    assert "20 s" in lines[1]


def test_a_prefix_tells_parallel_points_apart():
    stream = io.StringIO()
    PlainProgress(stream, prefix="[3] ").note("noted")
    assert stream.getvalue() == "[3] noted\n"


def test_text_holds_elapsed_against_minimum_rate_and_count():
    text = progress_text(1234, 617.0, 2.0, Length(10.0, 0))
    assert text == "2.0 s of at least 10 s, 20%, 617 samples/s, 1,234 samples"
    assert progress_text(1234, 617.0, 2.0, Length(0.0, 0)) == "2.0 s, 617 samples/s, 1,234 samples"


def test_a_test_is_as_far_as_what_it_lacks_most():
    length = Length(10.0, 240)
    slow = "13.0 s of at least 10 s, 18%, 3.5 samples/s, 45 of 240 samples"
    assert progress_text(45, 3.5, 13.0, length) == slow
    assert progress_text(240, 80.0, 3.0, length) == "3.0 s of at least 10 s, 30%, 80 samples/s, 240 of 240 samples"
    assert progress_text(400, 30.0, 13.0, length) == "13.0 s of at least 10 s, 100%, 30 samples/s, 400 samples"
    assert progress_text(3, 1.0, 3.0, Length(0.0, 12)) == "3.0 s, 25%, 1.0 samples/s, 3 of 12 samples"
    assert "99%" in progress_text(13_367, 1.0, 3.0, Length(0.0, 13_368)), "100% is when it is over"


def test_text_of_a_language_model_tells_of_its_tokens():
    tokens = TokenProgress(rate=5803.0, under_way=1112, running=1024, ttft_ns=812_000_000, tpot_ns=4_130_000)
    assert progress_text(600, 4.26, 2.0, Length(0.0, 0), tokens) == (
        "2.0 s, 4.3 samples/s, 600 samples, 5,803 tokens/s, 1,024 running, 88 waiting, p99 TTFT 812 ms, TPOT 4.1 ms"
    )
    untold = TokenProgress(rate=0.0, under_way=240, running=None, ttft_ns=None, tpot_ns=None)
    assert progress_text(0, 0.0, 2.0, Length(0.0, 0), untold).endswith("0 tokens/s, 240 under way")


def test_live_progress_draws_and_notes_stay():
    from rich.console import Console
    from rich.live import Live

    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with Live(console=console, transient=True) as live:
        progress = LiveProgress(console, live)
        progress.phase("performance", "resnet50 Offline")
        progress.samples(completed=100, rate=50.0, elapsed=2.0, length=Length(10.0, 0))
        live.refresh()
        progress.note("kept [as written]")
    assert "50 samples/s" in stream.getvalue()
    assert "kept [as written]" in stream.getvalue()
