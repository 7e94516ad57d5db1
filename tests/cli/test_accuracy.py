"""``mlperf accuracy`` scores a log that was made elsewhere, with the flags of MLPerf's own evaluation scripts."""

from __future__ import annotations

import json

import numpy as np
import pytest

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
    answer = mlperf("accuracy", *flags(files), "--json", UNTRAINED, "data.sample_count=2")
    assert answer.code == 1
    passed = {row["metric"]: row["passed"] for row in answer.json["bounds"]}
    assert passed == {"ROUGE1": True, "ROUGE2": True, "ROUGEL": True, "ROUGELSUM": True, "GEN_LEN": False}


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


def test_a_damaged_log(mlperf, files):
    (files / "log.json").write_text("[")
    answer = mlperf("accuracy", *flags(files), UNTRAINED)
    assert answer.code == 1
    assert "cut off or damaged" in answer.err
