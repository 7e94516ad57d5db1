"""Progress: plain lines that are not too many, and a live line on a terminal."""

import io

from mlperf_registry.cli import terminal
from mlperf_registry.cli.terminal import LiveProgress, PlainProgress, progress_text


def test_plain_progress_is_rate_limited(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.phase("performance", "resnet50 Offline")
    for step in range(1, 41):
        now[0] = step * 0.5
        progress.samples(completed=step * 100, rate=200.0, elapsed=now[0], minimum=20.0)
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
    assert progress_text(1234, 617.0, 2.0, 10.0) == "2.0 s of at least 10 s, 20%, 617 samples/s, 1,234 samples"
    assert "at least" not in progress_text(1234, 617.0, 2.0, 0.0)


def test_live_progress_draws_and_notes_stay():
    from rich.console import Console
    from rich.live import Live

    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with Live(console=console, transient=True) as live:
        progress = LiveProgress(console, live)
        progress.phase("performance", "resnet50 Offline")
        progress.samples(completed=100, rate=50.0, elapsed=2.0, minimum=10.0)
        live.refresh()
        progress.note("kept [as written]")
    assert "50 samples/s" in stream.getvalue()
    assert "kept [as written]" in stream.getvalue()
