"""``mlperf accuracy`` scores a log that was made elsewhere, with the flags of MLPerf's own evaluation scripts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.benchmarks.dataset import Score
from mlperf_registry.cli import accuracy as verb
from mlperf_registry.schema.plan import AccuracyBound

tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("nltk")

WORDS = ["the", "cat", "sat", "on", "a", "mat"]
UNTRAINED = "benchmark.options.sentence_splitter=untrained_punkt"


@pytest.fixture
def files(tmp_path):
    """A log of two answers, its data set, and a model's folder."""
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: place for place, word in enumerate(["?", *WORDS])}, unk_token="?")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    model = tmp_path / "model"
    model.mkdir()
    made.save(str(model / "tokenizer.json"))
    samples = [{"input": "x", "tok_input": [1, 2], "output": " ".join(WORDS)} for _ in range(2)]
    (tmp_path / "cnn.json").write_text(json.dumps(samples))
    answer = np.arange(1, 7, dtype=np.int32).tobytes().hex()
    entries = [{"seq_id": place, "qsl_idx": place, "data": answer} for place in range(2)]
    (tmp_path / "log.json").write_text(json.dumps(entries))
    return tmp_path


def flags(files, **changed):
    given = {
        "--mlperf-accuracy-file": files / "log.json",
        "--dataset-file": files / "cnn.json",
        "--model-name": files / "model",
        **changed,
    }
    return [f"{name}={value}" for name, value in given.items() if value is not None]


def test_the_line_for_accuracy_txt_is_all_of_stdout(mlperf, files):
    answer = mlperf("accuracy", *flags(files), "--dtype", "int32", UNTRAINED)
    assert answer.code == 0, answer.err
    assert answer.out == (
        "{'rouge1': 100.0, 'rouge2': 100.0, 'rougeL': 100.0, 'rougeLsum': 100.0, 'gen_len': 40, 'gen_num': 2, "
        "'gen_tok_len': 12, 'tokens_per_sample': 6.0}\n"
    )
    assert "2 of 13368 samples of llama3.1-8b: not held against bounds" in answer.err


def test_json(mlperf, files):
    answer = mlperf("accuracy", *flags(files), "--benchmark", "llama3.1-8b-edge", "--json", UNTRAINED)
    assert answer.code == 0, answer.err
    assert answer.json["benchmark"] == "llama3.1-8b-edge"
    assert answer.json["samples"] == 2
    assert answer.json["values"]["ROUGEL"] == 100.0
    assert answer.json["bounds"] == []


def test_bounds_are_held_where_every_sample_is_answered(mlperf, files):
    of_one, entry = json.loads((files / "cnn.json").read_text())[0], json.loads((files / "log.json").read_text())[0]
    (files / "cnn.json").write_text(json.dumps([of_one] * 240))
    (files / "log.json").write_text(json.dumps([{**entry, "qsl_idx": place} for place in range(240)]))
    asked = (
        "accuracy",
        *flags(files),
        "--benchmark=llama3.1-8b-mini",
        "--json",
        "model.path=null",
        "benchmark.options.prompt_template=null",
    )
    answer = mlperf(*asked)
    assert answer.code == 0, answer.err
    assert [row["metric"] for row in answer.json["bounds"] if row["passed"]] == ["ROUGE1"]
    (files / "cnn.json").write_text(json.dumps([{**of_one, "output": "dog"}] * 240))
    assert mlperf(*asked).code == 1


@pytest.mark.parametrize("count", [1, 2])
def test_an_override_makes_no_whole_set_of_a_few_samples(mlperf, files, count):
    entries = json.loads((files / "log.json").read_text())
    (files / "log.json").write_text(json.dumps(entries[:count]))
    answer = mlperf("accuracy", *flags(files), UNTRAINED, f"data.sample_count={count}")
    assert answer.code == 0, answer.err
    assert f"{count} of 13368 samples of llama3.1-8b: not held against bounds" in answer.err


def test_a_model_in_hugging_faces_cache(mlperf, files, monkeypatch):
    snapshot = files / "hf" / "hub" / "models--meta-llama--Llama-3.1-8B-Instruct" / "snapshots" / "0e9e39f"
    snapshot.parent.mkdir(parents=True)
    (files / "model").rename(snapshot)
    monkeypatch.setenv("HF_HOME", str(files / "hf"))
    named = flags(files, **{"--model-name": "meta-llama/Llama-3.1-8B-Instruct"})
    assert mlperf("accuracy", *named, UNTRAINED).code == 0


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        ({"--model-name": None}, 2, "--model-name"),
        ({"--mlperf-accuracy-file": "nowhere.json"}, 2, "there is no file nowhere.json"),
        ({"--mlperf-accuracy-file": "."}, 2, ". is a folder, and a file is asked for"),
        ({"--dtype": "float"}, 2, "is int32 or int64, not 'float'"),
        ({"--dtype": "int16"}, 2, "int32"),
        ({"--benchmark": "llama3.1-8c"}, 2, "llama3.1-8b"),
        ({"--model-name": "meta-llama/none"}, 3, "tokenizer.json"),
    ],
)
def test_bad_input(mlperf, files, changed, code, message):
    answer = mlperf("accuracy", *flags(files, **changed), UNTRAINED)
    assert answer.code == code
    assert message in answer.err
    assert answer.out == ""


def test_other_benchmarks_are_scored_by_their_runs(mlperf, files):
    answer = mlperf("accuracy", *flags(files), "--benchmark=resnet50")
    assert answer.code == 2
    assert "is no language model" in answer.err


@pytest.mark.parametrize(
    ("name", "content", "flag", "message"),
    [
        ("log.json", "[", "--mlperf-accuracy-file", "cut off or damaged"),
        ("log.json", '{"qsl_idx": 0}', "--mlperf-accuracy-file", "is not LoadGen's"),
        (
            "log.json",
            '[{"qsl_idx": 0, "data": "3f420f00"}]',
            "--mlperf-accuracy-file",
            "holds 999999, which is no token",
        ),
        ("cnn.json", "[", "--dataset-file", "is not read"),
        ("cnn.json", '[{"article": "x"}]', "--dataset-file", "has no column"),
    ],
)
def test_a_wrong_file_is_bad_input_of_its_flag(mlperf, files, name, content, flag, message):
    (files / name).write_text(content)
    answer = mlperf("accuracy", *flags(files), UNTRAINED)
    assert answer.code == 2
    assert answer.err.startswith(f"{flag}: ")
    assert message in answer.err


def test_int64_is_not_scored_as_int32(mlperf, files):
    entries = json.loads((files / "log.json").read_text())
    answer = np.arange(1, 7, dtype=np.int64).tobytes().hex()
    (files / "log.json").write_text(json.dumps([{**entry, "data": answer} for entry in entries]))
    refused = mlperf("accuracy", *flags(files), "--dtype=int32", UNTRAINED)
    assert refused.code == 2
    assert "say --dtype int64" in refused.err
    assert "'gen_tok_len': 12," in mlperf("accuracy", *flags(files), "--dtype=int64", UNTRAINED).out


@pytest.mark.parametrize(
    ("scored", "code", "passed"),
    [
        ({"ROUGE1": 45.2, "mbxp_accuracy": 60.0}, 0, [True, True]),
        ({"ROUGE1": 45.2}, 3, [True, None]),
        ({"ROUGE1": 45.0}, 1, [False, None]),
        ({"ROUGE1": 45.2, "mbxp_accuracy": 59.0}, 1, [True, False]),
    ],
)
def test_what_is_not_scored_here_is_neither_kept_nor_missed(mlperf, files, monkeypatch, scored, code, passed):
    bounds = (AccuracyBound(metric="ROUGE1", min=45.1), AccuracyBound(metric="mbxp_accuracy", min=59.5))
    monkeypatch.setattr(verb, "_bounds", lambda *_, **__: bounds)
    score = Score(values=scored, samples=2, text="line\n")
    monkeypatch.setattr(verb.plugins, "accuracy_scorer", lambda _: lambda *_: score)
    answer = mlperf("accuracy", *flags(files), "--json", UNTRAINED)
    assert (answer.code, [row["passed"] for row in answer.json["bounds"]]) == (code, passed)
    assert ("mbxp_accuracy not scored here" in answer.err) is (None in passed)


def test_a_round_without_bounds_is_said(mlperf, files):
    answer = mlperf("accuracy", *flags(files), UNTRAINED, "division=open")
    assert answer.code == 0
    assert "v6.1 has no bounds for llama3.1-8b at 0.99 (open): held against none" in answer.err


def test_the_target_is_one_that_the_round_has(mlperf, files):
    answer = mlperf(
        "accuracy", *flags(files), UNTRAINED, "--benchmark=llama2-70b", "benchmark.options.vocabulary_size=null"
    )
    assert "of 24576 samples of llama2-70b: not held against bounds of v6.1" in answer.err


def test_a_folder_without_a_tokeniser_names_the_file_to_give(mlperf, files):
    (files / "model" / "tokenizer.json").unlink()
    (files / "model" / "small.Q4_1.gguf").touch()
    answer = mlperf("accuracy", *flags(files))
    assert answer.code == 3
    assert answer.err.rstrip().endswith(f"--model-name {files / 'model' / 'small.Q4_1.gguf'}")
    assert "GGUF" in mlperf("accuracy", "--help").out
