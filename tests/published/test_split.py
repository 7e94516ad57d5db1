"""A split gives every variant its value, and states no more values than it must."""

from __future__ import annotations

from itertools import chain, combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlperf_registry.compose.tuned_file import variant_of
from mlperf_registry.published.split import ABSENT, PLAIN, Names, Split, applied, least_split, spelled, written_order

OPTIONS = ("k_99_9", "triton", "maxq")
EVERY = [frozenset(names) for names in chain.from_iterable(combinations(OPTIONS, n) for n in range(4))]
TOKENS = ["1", "2", ABSENT]

cases = st.dictionaries(st.sampled_from(EVERY), st.tuples(st.sampled_from(TOKENS), st.sampled_from(TOKENS)), min_size=1)


@settings(max_examples=400, deadline=None)
@given(cases)
def test_every_variant_gets_its_value(given_: dict[Names, tuple[str, str]]) -> None:
    wanted = {names: want for names, (want, _) in given_.items()}
    below = {names: low for names, (_, low) in given_.items()}
    split = least_split(wanted, below)
    assert {names: applied(split, names, below[names]) for names in wanted} == wanted


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(EVERY), st.sampled_from(TOKENS), min_size=1, max_size=5),
    st.sampled_from(TOKENS),
)
def test_no_split_states_less(wanted: dict[Names, str], low: str) -> None:
    found = least_split(wanted, dict.fromkeys(wanted, low))
    for size in range(len(found)):
        for keys in combinations(EVERY, size):
            for tokens in product(TOKENS, repeat=size):
                tried: Split = dict(zip(keys, tokens, strict=True))
                assert any(applied(tried, names, low) != want for names, want in wanted.items()), tried


def test_a_delta_may_ask_for_fewer_names_to_apply_sooner() -> None:
    triton, maxq, both = frozenset({"triton"}), frozenset({"k_99_9", "maxq"}), frozenset({"k_99_9", "triton", "maxq"})
    wanted = {PLAIN: "1", triton: "2", maxq: ABSENT, both: "2"}
    # Asked for by both of its names, the null would come after triton's value and undo it where all three are on.
    assert least_split(wanted, dict.fromkeys(wanted, "1")) == {frozenset({"k_99_9"}): ABSENT, triton: "2"}


def test_what_is_alike_is_said_plainly() -> None:
    triton, both = frozenset({"triton"}), frozenset({"triton", "k_99_9"})
    assert least_split({triton: "1", both: "1"}, {triton: ABSENT, both: ABSENT}) == {PLAIN: "1"}
    assert least_split({PLAIN: "1", triton: "1", both: "2"}, dict.fromkeys((PLAIN, triton, both), "1")) == {both: "2"}


def test_what_lies_below_needs_no_word_and_a_null_unsets_it() -> None:
    assert least_split({PLAIN: "1"}, {PLAIN: "1"}) == {}
    assert least_split({PLAIN: ABSENT}, {PLAIN: "1"}) == {PLAIN: ABSENT}


@pytest.mark.parametrize("target", ["k_95", "k_99", "k_99_9"])
@pytest.mark.parametrize("harness", ["native", "triton", "triton_unified", "triton_cpu", "hetero_mig"])
@pytest.mark.parametrize("power_setting", ["maxp", "maxq"])
def test_variants_are_spelled_as_tuned_files_spell_them(target: str, harness: str, power_setting: str) -> None:
    names = frozenset({target, harness, power_setting}) - {"k_99", "native", "maxp"}
    assert spelled(names) == variant_of(target, harness, power_setting)
    assert written_order(names)[0] == len(names)
