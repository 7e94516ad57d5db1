"""Aliases become options, and what the user left open is chosen with a reason."""

from __future__ import annotations

import pytest

from mlperf_registry.compose.choices import Rounds, choose, translate
from mlperf_registry.compose.composed import Choice
from mlperf_registry.compose.identities import Identities
from mlperf_registry.compose.library import Library
from mlperf_registry.schema.problem import ConfigError

ROUNDS = Rounds(("v4.0", "v4.1", "v6.1"), lambda benchmark: "v6.1" if benchmark == "resnet50" else None)
CELL = {
    "system": "H200-SXM-141GBx8",
    "benchmark": "resnet50",
    "scenario": "offline",
    "accuracy_target": "k_99",
    "power_setting": "maxp",
    "harness": "native",
}


@pytest.fixture(scope="module")
def identities(library: Library) -> Identities:
    return Identities(library)


def chosen(library: Library, identities: Identities, given: dict[str, str], **options: str) -> dict[str, Choice]:
    made = choose(library, identities, {**CELL, **options}, ROUNDS, given=given)
    return {choice.key: choice for choice in made}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scenario=Offline", ["scenario=offline"]),
        ("scenario=SingleStream", ["scenario=singlestream"]),
        ("accuracy_target=99.9", ["accuracy_target=k_99_9"]),
        ("accuracy_target=0.999", ["accuracy_target=k_99_9"]),
        ("accuracy_target=high_accuracy", ["accuracy_target=k_99_9"]),
        ("accuracy_target=default", ["accuracy_target=k_99"]),
        ("accuracy_target=99", ["accuracy_target=k_99"]),
        ("power_setting=MaxQ", ["power_setting=maxq"]),
        ("harness=Triton", ["harness=triton"]),
        ("benchmark=resnet", ["benchmark=resnet50"]),
        ("benchmark=ResNet50", ["benchmark=resnet50"]),
        ("benchmark=mini", ["benchmark=resnet50-mini"]),
        ("benchmark=resnet50-99", ["benchmark=resnet50", "accuracy_target=k_99"]),
        ("benchmark=resnet-99.9", ["benchmark=resnet50", "accuracy_target=k_99_9"]),
        ("system=h200_sxm_141gbx8", ["system=H200-SXM-141GBx8"]),
        ("scenario=Offline,Server", ["scenario=offline,server"]),
        ("accuracy_target=99,99.9", ["accuracy_target=k_99,k_99_9"]),
        ("benchmark=nothing", ["benchmark=nothing"]),
        ("loadgen.test_mode=AccuracyOnly", ["loadgen.test_mode=AccuracyOnly"]),
        ("scenario=[Offline]", ["scenario=[Offline]"]),
    ],
)
def test_aliases(library: Library, identities: Identities, text: str, expected: list[str]) -> None:
    assert translate(library, identities, [text]) == expected


def test_a_name_with_its_target_agrees_with_the_same_target(library: Library, identities: Identities) -> None:
    words = ["benchmark=resnet50-99.9", "accuracy_target=0.999"]
    assert translate(library, identities, words) == ["benchmark=resnet50", "accuracy_target=k_99_9"]


@pytest.mark.parametrize("words", [["benchmark=resnet50-99.9", "accuracy_target=99"], ["benchmark=resnet50-99.9,mini"]])
def test_a_name_with_its_target_contradicts_others(library: Library, identities: Identities, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        translate(library, identities, words)
    assert caught.value.problems[0].hint


def test_tuned_defaults_on_a_tuned_system(library: Library, identities: Identities) -> None:
    made = chosen(library, identities, {})
    assert (made["backend"].option, made["round"].option, made["tuned_round"].option) == ("tensorrt", "v6.1", "v4.1")
    assert "first engine library of resnet50" in made["backend"].why
    assert "newest round that has resnet50" in made["round"].why


def test_a_cpu_gets_the_engine_library_for_cpus(library: Library, identities: Identities) -> None:
    made = chosen(library, identities, {}, system="generic_cpu")
    assert (made["backend"].option, made["tuned_round"].option) == ("onnxruntime", "none")


def test_no_tuned_round_after_the_round(library: Library, identities: Identities) -> None:
    made = chosen(library, identities, {"round": "v4.0"})
    assert made["tuned_round"].option == "none"
    assert "no round up to v4.0" in made["tuned_round"].why


def test_another_backend_than_the_published_one_is_untuned_and_says_so(
    library: Library, identities: Identities
) -> None:
    made = chosen(library, identities, {"backend": "onnxruntime"})
    assert made["tuned_round"].option == "none"
    assert "tensorrt, not for onnxruntime" in made["tuned_round"].why


def test_a_variant_that_was_not_published_is_untuned(library: Library, identities: Identities) -> None:
    assert chosen(library, identities, {}, harness="triton")["tuned_round"].option == "none"


def test_what_the_user_gave_is_not_chosen(library: Library, identities: Identities) -> None:
    assert chosen(library, identities, {"backend": "tensorrt", "round": "v6.1", "tuned_round": "none"}) == {}


def test_a_benchmark_that_no_round_has_gets_the_newest(library: Library, identities: Identities) -> None:
    rounds = Rounds(("v4.1", "v6.1"), lambda benchmark: None)
    made = choose(library, identities, CELL, rounds, given={"backend": "tensorrt", "tuned_round": "none"})
    assert [choice.text for choice in made] == ["round=v6.1"]


def test_a_benchmark_without_an_engine_library_for_the_system_is_an_error(small_gpu_only: Library) -> None:
    with pytest.raises(ConfigError, match="none of which runs on cpu_box"):
        choose(
            small_gpu_only,
            Identities(small_gpu_only),
            {**CELL, "system": "cpu_box", "benchmark": "gpu_only"},
            ROUNDS,
            given={},
        )


def test_the_target_is_one_that_the_round_has(library: Library, identities: Identities) -> None:
    rounds = Rounds(("v6.0", "v6.1"), lambda name: "v6.1", lambda round_, name: TARGETS[round_])
    cell = {**CELL, "benchmark": "llama2-70b"}

    def target(**given: str) -> str | None:
        made = choose(library, identities, cell, rounds, given=given)
        return next((choice.option for choice in made if choice.key == "accuracy_target"), None)

    assert target() == "k_99_9"
    assert target(round="v6.0") is None
    assert target(accuracy_target="k_99") is None


TARGETS = {"v6.0": ("k_99", "k_99_9"), "v6.1": ("k_99_9",)}
