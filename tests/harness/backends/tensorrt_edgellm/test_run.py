"""Thor's commands through real LoadGen, with the stand-in for TensorRT Edge-LLM: build, performance, accuracy."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from mlperf_registry.cli.main import main
from mlperf_registry.detect.machine import load_machine
from mlperf_registry.execute import device

ROOT = Path(__file__).resolve().parents[4]
TEMPLATE = "{input}\n"
ROWS = 12
CELL = ("system=Thor", "benchmark=llama3.1-8b-edge", "backend=tensorrt_edgellm")


@pytest.fixture
def words(library: ModuleType, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A network and a data set in the scratch space, on the board of a recording."""
    thor = load_machine(ROOT / "tests" / "data" / "machines" / "thor.json")
    monkeypatch.setattr(device, "_gpus", lambda: (thor.accelerators, list(thor.notes)))
    monkeypatch.chdir(tmp_path)
    (checkpoint / "model.onnx").write_text("network")
    _write_tokeniser(checkpoint)
    articles = [f"Article {number} says that it rained." for number in range(ROWS)]
    rows = [
        {"input": text, "tok_input": [0, *map(ord, TEMPLATE.format(input=text))], "output": text} for text in articles
    ]
    (tmp_path / "articles.json").write_text(json.dumps(rows))
    return (
        *CELL,
        f"model.path={checkpoint}",
        f"data.path={tmp_path / 'articles.json'}",
        f"data.sample_count={ROWS}",
        "benchmark.options.prompt_template='{input}\n'",
        "benchmark.options.stop_token_ids=[1,2]",
        "benchmark.options.sentence_splitter=untrained_punkt",
        "loadgen.min_duration=1s",
    )


def _write_tokeniser(folder: Path) -> None:
    """One that has a token for each character, as the stand-in's."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {"<s>": 0, **{chr(code): code for code in range(9, 127)}}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<s>"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.decoder = decoders.Fuse()
    made.add_special_tokens([AddedToken("<s>", special=True)])
    made.save(str(folder / "tokenizer.json"))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["singlestream", "offline"])
def test_performance_and_accuracy(words: tuple[str, ...], scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", *words, f"scenario={scenario}", "--json"]) == 0, capsys.readouterr().err
    built = json.loads(capsys.readouterr().out)
    code = main(["run", *words, f"scenario={scenario}", "--json"])
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["valid"], (result["reasons"], printed.err)
    assert (result["system"], result["backend"]) == ("Thor", "tensorrt_edgellm")
    assert (result["engine"]["key"], result["engine"]["reused"]) == (built["key"], True)
    # Each answer is its article. Only the length misses its bound, which is that of 5,000 summaries.
    assert (result["accuracy"]["metric"], result["accuracy"]["value"]) == ("ROUGE1", 100.0)
    assert code == 1
