"""The table of verbs and flags: help, completion and the parser all read it, and it imports no verb's code."""

from __future__ import annotations

import attrs

LISTED = {
    "systems": "machines that a configuration can be composed for",
    "benchmarks": "benchmarks, their scenarios, targets and engine libraries",
    "scenarios": "how LoadGen can issue queries",
    "cells": "every combination of the axes, and whether it is tuned, untuned, forbidden or meaningless",
    "fields": "every field that an override can set, with unit and default",
    "rules": "what the rounds ask, with citations",
    "published": "results that submitters published, per accelerator",
    "backends": "engine libraries, and whether they can run here",
}
"""What ``mlperf list`` lists, and its line of help."""


@attrs.frozen
class Flag:
    """One flag: ``name`` without a value, or with one called ``metavar``."""

    name: str
    doc: str
    field: str
    """Attribute of Request that it sets."""
    metavar: str | None = None
    short: str | None = None
    repeats: bool = False
    default: str | None = None
    """Value when given without ``=value``; then a value needs the ``=``."""

    @property
    def shown(self) -> str:
        """As help writes it."""
        names = self.name if self.short is None else f"{self.short}, {self.name}"
        if self.metavar is None:
            return names
        return f"{names}[={self.metavar}]" if self.default is not None else f"{names} {self.metavar}"


@attrs.frozen
class Verb:
    """One verb of the command line."""

    name: str
    target: str
    """``module:function`` taking a Request and returning the exit code."""
    summary: str
    usage: str
    examples: tuple[tuple[str, str], ...]
    """(command less ``mlperf``, what it does)"""
    flags: tuple[Flag, ...]
    text: str = ""
    """More for the verb's own help."""


JSON = Flag("--json", "print one JSON document on stdout, all else on stderr", "json")
BUILD_DIR = Flag("--build-dir", "folder of engines, logs and results (default: build)", "build_dir", metavar="DIR")
SYSTEMS = Flag(
    "--systems", "folder with systems of your own, a YAML file each; repeats", "systems", "DIR", repeats=True
)
MULTIRUN = Flag("--multirun", "sweep: a run for each value of a,b,c or range(...)", "multirun", short="-m")
CFG = Flag(
    "--cfg",
    "print the composed configuration as YAML and stop; --cfg=origins adds where each value comes from",
    "cfg",
    metavar="origins",
    default="values",
)
DRY_RUN = Flag("--dry-run", "print what would run, if it is legal and its engine cached, and stop", "dry_run")
ALL = Flag("--all", "check every file and every cell", "everything")
PUBLISHED = Flag("--published", "compare with published configurations, a JSON object a line", "published", "FILE")
HELP = Flag("--help", "this help", "help", short="-h")

_COMPOSING = (JSON, SYSTEMS, HELP)
_EXECUTING = (MULTIRUN, DRY_RUN, CFG, JSON, BUILD_DIR, SYSTEMS, HELP)

VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            "run",
            "mlperf_registry.cli.run:run",
            "build the engine, run LoadGen for performance and accuracy, write the report",
            "mlperf run [group=option ...] [field=value ...] [flags]",
            (
                ("run", "the default: resnet50-mini, Offline, on this machine's CPU, about a minute"),
                ("run scenario=server loadgen.server_target_qps=500", "Server at 500 queries/s"),
                ("run -m scenario=offline,singlestream", "one run for each, and one report of both"),
                ("run loadgen.test_mode=PerformanceOnly", "no accuracy run"),
                ("run benchmark=resnet50 mode=submission --dry-run", "check against the round's rules, run nothing"),
            ),
            _EXECUTING,
        ),
        Verb(
            "build",
            "mlperf_registry.cli.build:build",
            "build the engine only, or find it in the cache",
            "mlperf build [group=option ...] [field=value ...] [flags]",
            (
                ("build benchmark=resnet50-mini", "the engine of one configuration"),
                ("build -m builder.gpu_batch_size=16,32,64", "one engine per batch size, where the backend needs it"),
            ),
            _EXECUTING,
        ),
        Verb(
            "harness",
            "mlperf_registry.cli.harness:harness",
            "run LoadGen with an engine that `mlperf build` has left in the cache",
            "mlperf harness [group=option ...] [field=value ...] [flags]",
            (
                ("harness", "as `mlperf run`, but an engine that is not in the cache is an error (exit 3)"),
                ("harness -m scenario=server loadgen.server_target_qps=200,400,800", "a sweep that builds nothing"),
            ),
            _EXECUTING,
        ),
        Verb(
            "explain",
            "mlperf_registry.cli.explain:explain",
            "what a value means, and which file or override it comes from",
            "mlperf explain [PATH] [group=option ...] [field=value ...] [flags]",
            (
                ("explain loadgen.offline_expected_qps", "one field: value, unit, doc, readers, chain of origins"),
                ("explain builder benchmark=resnet50", "all fields of a section"),
                ("explain", "every field"),
            ),
            _COMPOSING,
        ),
        Verb(
            "list",
            "mlperf_registry.cli.list:list_",
            "what there is: " + ", ".join(LISTED),
            f"mlperf list {'|'.join(LISTED)} [key=pattern ...] [flags]",
            (
                ("list benchmarks", "what can be run"),
                ("list cells benchmark=resnet50 state=tuned", "cells with tuned values; patterns may hold * and ?"),
                ("list published benchmark=resnet50 'system=*H100*'", "published results, per accelerator"),
                ("list fields path=loadgen.*", "what can be overridden under loadgen"),
            ),
            _COMPOSING,
            "\n".join(f"  {name:<12}{doc}" for name, doc in LISTED.items()),
        ),
        Verb(
            "validate",
            "mlperf_registry.cli.validate:validate",
            "check a configuration, every cell, or what was published, without running anything",
            "mlperf validate [--all | --published FILE] [group=option ...] [field=value ...] [flags]",
            (
                ("validate benchmark=resnet50 mode=submission", "one configuration, every problem at once"),
                ("validate --all", "every file and every cell there is"),
                ("validate --published configs.jsonl", "whether tuned values are those of a file; 1 if not"),
            ),
            (ALL, PUBLISHED, *_COMPOSING),
        ),
        Verb(
            "diff",
            "mlperf_registry.cli.diff:diff",
            "what differs between two configurations or two runs",
            "mlperf diff A B [flags]",
            (
                ('diff "benchmark=resnet50" "benchmark=resnet50 power_setting=maxq"', "two configurations"),
                ("diff build/logs/RUN_A build/logs/RUN_B", "two runs: configuration and metrics"),
            ),
            _COMPOSING,
            "A and B are overrides in quotes, a run's folder, or its result.json or run.json.",
        ),
        Verb(
            "report",
            "mlperf_registry.cli.report:report",
            "write the HTML report of a run or sweep again, and print its path",
            "mlperf report FOLDER [flags]",
            (("report build/logs/20260101-120000-1a2b3c4d", "a run's or a sweep's folder"),),
            (JSON, HELP),
        ),
        Verb(
            "completion",
            "mlperf_registry.cli.completion:completion",
            "print a completion script for bash, zsh or fish",
            "mlperf completion bash|zsh|fish",
            (
                ("completion bash > ~/.local/share/bash-completion/completions/mlperf", "for bash"),
                ('completion zsh > "${fpath[1]}/_mlperf"', "for zsh"),
                ("completion fish > ~/.config/fish/completions/mlperf.fish", "for fish"),
            ),
            (HELP,),
        ),
    )
}
"""Every verb, in the order in which help names them."""
