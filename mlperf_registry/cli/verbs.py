"""The table of verbs and flags: help, completion and the parser all read it, and it imports no verb's code."""

from __future__ import annotations

import attrs

LISTED = {
    "systems": "machines that a configuration can be composed for",
    "benchmarks": "benchmarks, their scenarios, targets and engine libraries",
    "scenarios": "how LoadGen can issue queries",
    "cells": "every combination of the axes, and whether it is tuned, untuned, forbidden, meaningless or wrong",
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
    parts: tuple[Verb, ...] = ()
    """Verbs of two words that begin with its name; it does nothing by itself then."""

    @property
    def word(self) -> str:
        """The last word of its name."""
        return self.name.rpartition(" ")[2]


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
INSPECT = Flag("--inspect", "show the engine's layers, their number formats and its memory", "inspect")
ALL = Flag("--all", "check every file and every cell", "everything")
PUBLISHED = Flag("--published", "compare with published configurations, a JSON object a line", "published", "FILE")
MACHINE = Flag(
    "--machine",
    "a recording, or what `systems detect --json` printed, to take instead of this machine",
    "machine",
    metavar="FILE",
)
RECORD = Flag(
    "--record", "keep what detection reads of this machine, to be replayed elsewhere", "record", metavar="FILE"
)
FROM = Flag(
    "--from", "the known system whose tuned values it takes over (default: the nearest)", "kin", metavar="KNOWN"
)
FORCE = Flag("--force", "overwrite a file of that name; take the place of a shipped system", "force")
ACCURACY_LOG = Flag("--mlperf-accuracy-file", "LoadGen's mlperf_log_accuracy.json", "accuracy_log", metavar="FILE")
DATASET_FILE = Flag("--dataset-file", "the file of the data set, as MLPerf ships it", "dataset_file", metavar="FILE")
MODEL_NAME = Flag(
    "--model-name",
    "the model's tokenizer.json, the folder with it, a GGUF file, or its name in Hugging Face's cache",
    "model_name",
    "NAME",
)
DTYPE = Flag("--dtype", "int32 or int64: the log's token ids (default: seen from the log)", "dtype", metavar="TYPE")
BENCHMARK = Flag("--benchmark", "whose answers they are (default: llama3.1-8b)", "benchmark", metavar="ID")
HELP = Flag("--help", "this help", "help", short="-h")

_COMPOSING = (JSON, SYSTEMS, HELP)
_SYSTEMS = (
    Verb(
        "systems detect",
        "mlperf_registry.cli.systems.detect:detect",
        "what this machine is: processors, memory, NUMA nodes, GPUs and MIG slices, versions",
        "mlperf systems detect [flags]",
        (
            ("systems detect", "for the eye"),
            ("systems detect --json > box.json", "for programs, and for --machine and $MLPERF_MACHINE"),
            ("systems detect --record box.json", "all that was read, for a bug report"),
        ),
        (JSON, RECORD, MACHINE, HELP),
    ),
    Verb(
        "systems match",
        "mlperf_registry.cli.systems.match:match",
        "which known system this machine is, and in what it differs from those that it nearly is",
        "mlperf systems match [flags]",
        (
            ("systems match", "a table of candidates, best first, and what `mlperf run` would take"),
            ("systems match --machine box.json", "the same for a recorded machine"),
        ),
        (JSON, SYSTEMS, MACHINE, HELP),
    ),
    Verb(
        "systems new",
        "mlperf_registry.cli.systems.new:new",
        "write systems/NAME.yaml, which makes this machine a system, from what is detected",
        "mlperf systems new NAME [flags]",
        (
            ("systems new my_box", "with the tuned values of its nearest relative, rates scaled"),
            ("systems new my_box --from L4x1", "with those of L4x1"),
        ),
        (FROM, FORCE, JSON, SYSTEMS, MACHINE, HELP),
        "The file goes to the first --systems folder, by default ./systems, and is not overwritten without --force.",
    ),
    Verb(
        "systems check",
        "mlperf_registry.cli.systems.check:check",
        "check the file of a system: every problem in one report",
        "mlperf systems check FILE [flags]",
        (("systems check systems/my_box.yaml", "its values, its base, its tuned values, and its name among others"),),
        (JSON, SYSTEMS, MACHINE, HELP),
    ),
    Verb(
        "systems show",
        "mlperf_registry.cli.systems.show:show",
        "one system: its rules beside what this machine shows, its base and its tuned cells",
        "mlperf systems show NAME [flags]",
        (("systems show L4x1", "a shipped one"), ("systems show my_box", "one of yours")),
        (JSON, SYSTEMS, MACHINE, HELP),
    ),
    Verb(
        "systems describe",
        "mlperf_registry.cli.systems.describe:describe",
        "print the system description that a submission needs, systems/<name>.json",
        "mlperf systems describe [NAME] [flags]",
        (
            ("systems describe > L4x1.json", "of this machine; without a NAME, as `mlperf run` names it"),
            ("systems describe my_box --json", "with where each value is from, and what is missing"),
        ),
        (JSON, SYSTEMS, MACHINE, HELP),
        "What is detected is filled in; the rest is stated in the file of the system, under system.submission. What\n"
        "is missing is listed all at once, and nothing else is printed then (exit 2). With --json there is always one\n"
        "document, {system, description, sources, problems}, whole or not.",
    ),
)

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
                ("run", "the default: resnet50-mini, Offline, on this machine, about a minute"),
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
                ("build backend=tensorrt --inspect", "what the engine consists of, layer by layer"),
            ),
            (INSPECT, *_EXECUTING),
        ),
        Verb(
            "calibrate",
            "mlperf_registry.cli.calibrate:calibrate",
            "make the INT8 calibration cache from the calibration set",
            "mlperf calibrate [group=option ...] [field=value ...] [flags]",
            (
                ("calibrate backend=tensorrt", "of the default benchmark; no GPU is needed"),
                ("calibrate backend=tensorrt builder.cache_file=my.cache", "into a file of that name"),
            ),
            _COMPOSING,
            "`mlperf run` and `mlperf build` calibrate by themselves where an int8 engine has no cache yet.",
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
            "accuracy",
            "mlperf_registry.cli.accuracy:accuracy",
            "score the accuracy log of a language model, made here or elsewhere",
            "mlperf accuracy --mlperf-accuracy-file FILE --dataset-file FILE --model-name NAME [flags]",
            (
                (
                    "accuracy --mlperf-accuracy-file output/mlperf_log_accuracy.json "
                    "--dataset-file sample_cnn_eval_5000.json --model-name Llama-3.1-8B-Instruct "
                    "--benchmark llama3.1-8b-edge",
                    "prints the line of accuracy.txt; 1 if a bound is missed, 3 if one is not scored here",
                ),
            ),
            (ACCURACY_LOG, DATASET_FILE, MODEL_NAME, DTYPE, BENCHMARK, JSON, SYSTEMS, HELP),
            "The flags are those of MLPerf's evaluation scripts. Overrides may follow, such as\n"
            "benchmark.options.sentence_splitter=untrained_punkt where nltk's punkt_tab cannot be had.",
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
            "systems",
            "",
            "this machine as a system: " + ", ".join(part.word for part in _SYSTEMS),
            f"mlperf systems {'|'.join(part.word for part in _SYSTEMS)} [flags]",
            tuple(part.examples[0] for part in _SYSTEMS),
            (HELP,),
            "\n".join(f"  {part.word:<10}{part.summary}" for part in _SYSTEMS)
            + "\n\n`mlperf systems detect --help` says more of detect, and so on.\n\n"
            "Every command without system=, and system=auto, takes the system that this machine is: a known one that\n"
            "it matches, else one derived from its nearest relative. $SYSTEM_NAME gives it a name; $MLPERF_MACHINE\n"
            "names a file that stands for the machine, as --machine does.",
            parts=_SYSTEMS,
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
"""Every verb by its first word, in the order in which help names them."""


def every_verb() -> tuple[Verb, ...]:
    """Every verb that does something: parts stand in place of the verb that has them."""
    return tuple(one for verb in VERBS.values() for one in verb.parts or (verb,))
