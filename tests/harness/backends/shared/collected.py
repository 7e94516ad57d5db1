"""Collected: a Listener that remembers what a core reports, for the tests of every backend's cores."""

from __future__ import annotations

import threading


class Collected:
    """A Listener that remembers, and knows when so many requests have ended."""

    def __init__(self):
        self.first, self.done, self.failed, self.tokens = {}, {}, {}, 0
        self._changed = threading.Condition()

    def first_token(self, ids, tokens):
        assert not set(ids) & set(self.first)
        self.first.update(zip(ids, tokens, strict=True))

    def progress(self, tokens):
        self.tokens += tokens

    def finish(self, ids, outputs):
        self._end(self.done, dict(zip(ids, outputs, strict=True)))

    def fail(self, ids, reason):
        self._end(self.failed, dict.fromkeys(ids, reason))

    def wait(self, ended):
        """Return when so many have ended, each once."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.done) + len(self.failed) >= ended, timeout=20)
            assert len(self.done) + len(self.failed) == ended

    def _end(self, where, what):
        with self._changed:
            assert not set(what) & (set(self.done) | set(self.failed)), "a request ended twice"
            where.update(what)
            self._changed.notify_all()
