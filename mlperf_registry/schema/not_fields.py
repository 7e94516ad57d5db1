"""NVIDIA's names that are no fields here, each with the reason, and older names of what is a field.

The reference page and answers to mistakes say them, so that someone who writes one finds out what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable

_AXIS = "an axis: the option chosen on the command line"
_SWEEP = "an axis, in the singular; several at once: -m and a list of options"
_VERB = "what to do is the command's verb"
_FOLDER = "folders of a run and of the engine cache have fixed places below build/"
_LOGS = "LoadGen's logs have fixed names and one form in a run's folder"
_SCRATCH = "paths are relative to the scratch space, which the environment names"
_TOOL = "a matter of the tool's own output, not of a configuration"
_DEVICES = "builder.dla_core chooses a DLA, its absence the GPU"
_METER = "this version measures no power"
_COMPLIANCE = "this version runs no compliance tests"
_INSTALLED = "the installed package is used"

NOT_FIELDS = {
    "accuracy_target": _AXIS,
    "action": _VERB,
    "audit_test": _COMPLIANCE,
    "benchmark": _AXIS,
    "benchmarks": _SWEEP,
    "capture_server_logs_dir": _FOLDER,
    "config_dir": "conf/ lies in the package; systems of your own in systems/ or $MLPERF_SYSTEMS_PATH",
    "config_ver": "variants are options of axes: accuracy_target=high_accuracy, power_setting=maxq; no Triton runs",
    "data_dir": _SCRATCH,
    "disable_log_copy_summary_to_stdout": _LOGS,
    "disable_progress_display": _TOOL,
    "engine_dir": _FOLDER,
    "fast": "mode=test_run",
    "glog_verbosity": _TOOL,
    "gpu_only": _DEVICES,
    "harness_type": "an axis: harness",
    "help": _TOOL,
    "llm_quantizer_outdir": _FOLDER,
    "log_copy_detail_to_stdout": _LOGS,
    "log_dir": _FOLDER,
    "log_mode": _LOGS,
    "log_mode_async_poll_interval_ms": _LOGS,
    "logfile_prefix_with_datetime": _LOGS,
    "logfile_suffix": _LOGS,
    "mlperf_conf_path": "LoadGen's own, inside its wheel",
    "model_path": "model.path says where a network is, for every system alike",
    "no_audit_verify": _COMPLIANCE,
    "no_child_process": _TOOL,
    "no_gpu": _DEVICES,
    "performance_sample_count": "loadgen.performance_sample_count_override says it",
    "power": _METER,
    "power_setting": _AXIS,
    "preprocessed_data_dir": _SCRATCH,
    "profile": _TOOL,
    "profiler": _TOOL,
    "py_harness": "there is one harness, in Python",
    "quantizer_lib_path_override": _INSTALLED,
    "results_dir": _FOLDER,
    "scenario": _AXIS,
    "scenarios": _SWEEP,
    "show_steady_state_progress": _TOOL,
    "system": _AXIS,
    "system_name": "system=NAME chooses one; a system of your own is a YAML file",
    "test_run": "mode=test_run",
    "trtllm_lib_path": _INSTALLED,
    "use_power_meter": _METER,
    "user_conf_path": "user.conf is written into the run's folder",
    "verbose": _TOOL,
    "verbose_glog": _TOOL,
}
"""Name to reason."""

OLDER_NAMES = {
    "deque_timeout_us": "runtime.deque_timeout_usec",
    "devices": "runtime.gpu_indices",
    "gpu_multi_stream_samples_per_query": "loadgen.multi_stream_samples_per_query",
    "gpu_offline_expected_qps": "loadgen.offline_expected_qps",
    "gpu_single_stream_expected_latency_ns": "loadgen.single_stream_expected_latency_ns",
}
"""Name in rounds v0.7 and v1.0 to the field that has its value."""


def written_instead(name: str, paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that have the value of NVIDIA's ``name`` here: those whose last part it is, or its newer name's."""
    found = [path for path in paths if path.rpartition(".")[2] == name]
    return (*found, *(path for older, path in OLDER_NAMES.items() if older == name))
