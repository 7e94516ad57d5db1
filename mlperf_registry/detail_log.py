"""DetailLog: LoadGen's mlperf_log_detail.txt as a value: settings in effect, verdict, figures and complaints.

LoadGen's Python module returns nothing from a run, and the official checker, too, reads this file and not the summary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from mlperf_registry.schema.result import Metric

DETAIL_LOG = "mlperf_log_detail.txt"
"""The file's name in LoadGen's log folder."""

_MARK = ":::MLLOG "

_LATENCY = re.compile(r"result_(?P<percentile>\d+\.\d+)_percentile_latency_ns")
_TTFT = re.compile(r"result_first_token_(?P<percentile>\d+\.\d+)_percentile_latency_ns")
_TPOT = re.compile(r"result_time_per_output_token_(?P<percentile>\d+\.\d+)_percentile_ns")

_UNITS = {
    "result_tokens_per_second": "tokens/s",
    "result_samples_per_second": "samples/s",
    "result_completed_tokens_per_second": "tokens/s",
    "result_completed_samples_per_sec": "samples/s",
    "result_scheduled_samples_per_sec": "samples/s",
    "early_stopping_latency_ss": "ns",
    "early_stopping_latency_ms": "ns",
    "result_90.00_percentile_latency_ns": "ns",
    "result_mean_latency_ns": "ns",
    "result_qps_with_loadgen_overhead": "queries/s",
}
"""Units of the figures; the other keys that a round may compare are latencies in ns."""

_ESTIMATES = ("early_stopping_latency_ss", "early_stopping_latency_ms")
"""Estimates of a percentile of latency: 0 where too few queries ran for one, of the first token in token runs."""

_EARLY_STOPPING = {
    "early_stopping_ttft_result": "time to first token",
    "early_stopping_tpot_result": "time per output token",
    "early_stopping_result": "early stopping",
}
"""What LoadGen's early stopping was asked of, by the key of its answer; the last where tokens do not count."""

_STOPPING_MET = ("Run successful", "Processed at least")

_TOKEN_LATENCIES = (
    "result_first_token_99.00_percentile_latency_ns",
    "result_time_per_output_token_99.00_percentile_ns",
)
_SERVER_FIGURES = (
    "result_completed_tokens_per_second",
    "result_completed_samples_per_sec",
    "result_scheduled_samples_per_sec",
    "result_mean_latency_ns",
    *_TOKEN_LATENCIES,
)
_FIGURES = {
    "Offline": ("result_tokens_per_second", "result_samples_per_second"),
    "Server": _SERVER_FIGURES,
    "Interactive": _SERVER_FIGURES,
    "SingleStream": (
        "early_stopping_latency_ss",
        "result_90.00_percentile_latency_ns",
        "result_mean_latency_ns",
        "result_qps_with_loadgen_overhead",
        "result_completed_tokens_per_second",
        *_TOKEN_LATENCIES,
    ),
    "MultiStream": ("early_stopping_latency_ms", "result_mean_latency_ns"),
}
"""Scenario to its figures, the one that rounds compare first; LoadGen writes token figures in token runs only."""


@attrs.frozen
class DetailLog:
    """What one LoadGen run wrote. A log that ends early or holds a damaged line says so in ``errors``."""

    values: Mapping[str, Any]
    """Key to its last value; LoadGen's own names."""
    errors: tuple[str, ...]
    """LoadGen's error lines, and what is wrong with the file itself."""
    invalid_reasons: tuple[str, ...]
    """LoadGen's advice on an INVALID run, what early stopping lacks included."""

    @property
    def validity(self) -> str | None:
        """VALID or INVALID; None where LoadGen gave no verdict: an accuracy run, or one that did not end."""
        value = self.values.get("result_validity")
        return value if isinstance(value, str) else None

    @property
    def samples_per_query(self) -> int | None:
        """Samples that LoadGen put into each query; None where the log does not say."""
        value = self.values.get("effective_samples_per_query")
        return value if isinstance(value, int) else None

    def latency_percentiles(self) -> dict[str, float]:
        """Percentile, as LoadGen spells it ("99.00"), to the latency of a query in ns."""
        return self._percentiles(_LATENCY)

    def ttft_percentiles(self) -> dict[str, float]:
        """The same of the time to first token; empty unless token latencies were asked for."""
        return self._percentiles(_TTFT)

    def tpot_percentiles(self) -> dict[str, float]:
        """The same of the time per output token."""
        return self._percentiles(_TPOT)

    def _estimated(self, key: str) -> bool:
        return bool(self.values.get(key)) and "early_stopping_ttft_result" not in self.values

    def _percentiles(self, named: re.Pattern[str]) -> dict[str, float]:
        matches = ((named.fullmatch(key), value) for key, value in self.values.items())
        return {match["percentile"]: value for match, value in matches if match is not None}

    def metrics(self, scenario: str, headline: str | None = None) -> tuple[Metric, ...]:
        """The scenario's figures, the one that a round compares first; empty for an accuracy run.

        Args:
            scenario: name as in JSON, Interactive included.
            headline: key that the round names, where it is not the scenario's usual one.
        """
        keys = dict.fromkeys((*([headline] if headline else []), *_FIGURES[scenario]))
        numbers = {key: self.values.get(key) for key in keys if key not in _ESTIMATES or self._estimated(key)}
        return tuple(
            Metric(name=key, value=value, unit=_UNITS.get(key, "ns"))
            for key, value in numbers.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        )


def read_detail_log(path: Path) -> DetailLog:
    """The value of a detail log; one that cannot be read is a log with that error."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return _damaged(f"{path} cannot be read: {error.strerror or error}")
    return parse_detail_log(text)


def parse_detail_log(text: str) -> DetailLog:
    """The value of a detail log's text. Never raises: a line that is no record is an error of the log."""
    values: dict[str, Any] = {}
    errors, reasons = [], []
    for number, line in _lines(text):
        record = _record(line)
        if record is None:
            errors.append(
                f"{DETAIL_LOG}:{number} is no record of LoadGen's, the file is damaged or cut off: {line[:80]!r}"
            )
            continue
        key, value, metadata = record
        if metadata.get("is_error"):
            errors.append(f"{key}: {value}")
        if key == "result_invalid_reason" and str(value).strip():  # of early stopping it leaves the reason empty
            reasons.append(str(value).strip())
        values[key] = value
    if values.get("effective_test_mode") != "AccuracyOnly" and "result_validity" not in values:
        errors.append(f"{DETAIL_LOG} ends before LoadGen's verdict: the run did not end")
    reasons += _unmet(values, alone=not reasons)
    return DetailLog(MappingProxyType(values), tuple(errors), tuple(reasons))


def _unmet(values: Mapping[str, Any], *, alone: bool) -> Iterable[str]:
    """What early stopping lacks, which LoadGen says apart from its reasons; ``alone``: it gave no other."""
    if values.get("early_stopping_met") is not False:
        return
    for key, what in _EARLY_STOPPING.items():
        said = " ".join(str(values.get(key, "")).replace(" * ", " ").split())
        # Without tokens there is one latency, and the other reason says already that it was missed.
        if said and not said.startswith(_STOPPING_MET) and (alone or key != "early_stopping_result"):
            yield f"{what}: {said}"


def _damaged(error: str) -> DetailLog:
    return DetailLog(MappingProxyType({}), (error,), ())


def _lines(text: str) -> Iterable[tuple[int, str]]:
    # Not splitlines: LoadGen ends lines with a newline only, and messages may hold other separators.
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def _record(line: str) -> tuple[str, Any, Mapping[str, Any]] | None:
    if not line.startswith(_MARK):
        return None
    try:
        record = json.loads(line.removeprefix(_MARK))
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("key"), str) or "value" not in record:
        return None
    metadata = record.get("metadata")
    return record["key"], record["value"], metadata if isinstance(metadata, dict) else {}
