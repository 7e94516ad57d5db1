"""``python -m mlperf_registry``: the command ``mlperf`` where no script is installed, as from a bare checkout."""

from __future__ import annotations

import sys

from mlperf_registry.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
