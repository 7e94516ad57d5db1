"""Upper bounds of numbers: what LoadGen and the engine libraries can hold, or far beyond what any machine does.

Without them, a mistyped number of twenty digits would end as an overflow in somebody else's code.
"""

from __future__ import annotations

SEED = 2**64 - 1
"""LoadGen's seeds are unsigned, of 64 bits."""
COUNT = 2**62
"""Queries: LoadGen multiplies counts, in 64 bits."""
NANOSECONDS = 2**62
"""Latencies: LoadGen adds them to the clock, in 64 bits; 146 years."""
MILLISECONDS = 1000 * 3_600_000
"""Durations: 1000 hours."""
HELD_BACK_USEC = 60_000_000
"""How long a batch or request may wait: a minute."""
RATE = 10**9
"""Samples or queries a second; LoadGen's clock ticks in nanoseconds."""
BATCH = 2**24
"""Samples in one execution or query; 600,000 is the most that was published."""
THREADS = 4096
"""Threads, streams and instances."""
SAMPLES_HELD = 2**31
"""Samples in memory."""
MEMORY = 2**50
"""Bytes of one device's memory."""
