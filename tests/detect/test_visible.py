from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.detect.visible import shown_by_container, shown_by_cuda


def text_of(devices):
    """ "1,0:2": GPU 1 whole, and the third slice of GPU 0."""
    words = []
    for device in devices:
        if device.slices and len(device.slices) < 2:
            words += [f"{device.index}:{one.gpu_instance - 7}" for one in device.slices]
        else:
            words.append(str(device.index))
    return ",".join(words)


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        (None, "0,1,2,3"),
        ("", ""),
        ("-1", ""),
        ("NoDevFiles", ""),
        ("2", "2"),
        ("2,1", "2,1"),
        (" 2 , 1 ", "2,1"),
        ("0,2,-1,1", "0,2"),
        ("0,9,1", "0"),
        ("9,0", ""),
        ("0,,1", "0"),
        ("0,x,1", "0"),
        ("1,1", ""),
        ("1,0,1", ""),
        ("GPU-2aaa-2", "2"),
        ("GPU-2", "2"),
        ("GPU-2,GPU-0", "2,0"),
        ("GPU-2,1", "2,1"),
        ("GPU-2aaa-2,GPU-2", ""),
        ("GPU-", ""),
        ("GPU-7,0", ""),
        ("all", ""),
        ("MIG-00bb-5", ""),
    ],
)
def test_cuda_shows_what_its_list_names(make_gpus, setting, shown):
    assert text_of(shown_by_cuda(make_gpus(None, None, None, None), setting, None, [])) == shown


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("MIG-00bb-5", "0:0"),
        ("MIG-01", "0:1"),
        ("MIG-0", ""),  # two begin so
        ("MIG-11bb-5,MIG-00bb-5", "1:1,0:0"),
        ("MIG-GPU-1aaa-1/8/0", "1:1"),
        ("MIG-GPU-1aaa-1/9/0", ""),
        ("0", "0"),
        ("MIG-00bb-5,MIG-01bb-5", "0"),  # all slices of it
    ],
)
def test_cuda_shows_the_slices_that_its_list_names(make_gpus, setting, shown):
    assert text_of(shown_by_cuda(make_gpus(2, 2), setting, None, [])) == shown


@given(st.lists(st.integers(-2, 5), max_size=6))
def test_a_list_of_numbers_ends_at_the_first_that_is_no_gpu_and_repeats_none(make_gpus, numbers):
    devices = make_gpus(None, None, None, None)
    taken = []
    for number in numbers:
        if number in taken:
            taken = []
            break
        if not 0 <= number < len(devices):
            break
        taken.append(number)
    shown = shown_by_cuda(devices, ",".join(map(str, numbers)), None, [])
    assert [device.index for device in shown] == taken


@given(st.text(alphabet="0123-,: GPUMIGab/x", max_size=30), st.booleans())
def test_no_setting_breaks_it_or_shows_what_is_not_there(make_gpus, setting, by_bus):
    devices = make_gpus(2, None, 0)
    for shown in (
        shown_by_cuda(devices, setting, "PCI_BUS_ID" if by_bus else None, []),
        shown_by_container(devices, setting, []),
    ):
        assert len({device.index for device in shown}) == len(shown)
        assert {one for device in shown for one in device.slices} <= set(devices[0].slices)


def test_numbers_follow_the_bus_where_cuda_is_told_to(make_gpus):
    first, second = make_gpus(None, None)
    swapped = (attrs.evolve(first, pci_address="0000:ff:00.0"), second)
    assert text_of(shown_by_cuda(swapped, "0", "PCI_BUS_ID", [])) == "1"
    assert text_of(shown_by_cuda(swapped, "0", "FASTEST_FIRST", [])) == "0"


def test_what_is_hidden_is_said(make_gpus):
    notes = []
    shown_by_cuda(make_gpus(None, None, None), "1,x", None, notes)
    assert any("names x, which is no GPU here" in note for note in notes)
    assert any("shows 1 of 3 GPUs" in note for note in notes)


def test_numbers_of_gpus_that_differ_are_doubted(make_gpus):
    first, second = make_gpus(None, None)
    mixed = (first, attrs.evolve(second, name="NVIDIA T4"))
    for order, doubted in ((None, True), ("PCI_BUS_ID", False)):
        notes = []
        shown_by_cuda(mixed, "1", order, notes)
        assert any("PCI_BUS_ID" in note for note in notes) == doubted
    notes = []
    shown_by_cuda(mixed, "GPU-1", None, notes)
    assert not any("PCI_BUS_ID" in note for note in notes)


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        (None, "0,1,2,3"),
        ("all", "0,1,2,3"),
        ("void", "0,1,2,3"),
        ("", "0,1,2,3"),
        ("none", ""),
        ("/var/run/nvidia-container-devices", "0,1,2,3"),
        ("nvidia.com/gpu=1", "0,1,2,3"),
        ("9", ""),
        ("3,1", "1,3"),
        ("GPU-2aaa-2", "2"),
        ("0,7", "0"),
        ("4,5,6,7", "0,1,2,3"),  # a container that was given those four of eight
        ("0,1,2,6", "0,1,2,3"),
    ],
)
def test_a_container_shows_what_its_variable_asks_for(make_gpus, setting, shown):
    assert text_of(shown_by_container(make_gpus(None, None, None, None), setting, [])) == shown


@pytest.mark.parametrize(("setting", "shown"), [("0:1", "0:1"), ("MIG-10bb-5,0:0", "0:0,1:0"), ("1", "1")])
def test_a_container_shows_slices_by_place(make_gpus, setting, shown):
    assert text_of(shown_by_container(make_gpus(2, 2), setting, [])) == shown


def test_a_container_that_lacks_what_it_asked_for_says_so(make_gpus):
    notes = []
    shown_by_container(make_gpus(None, None, None), "0,7", notes)
    assert notes == ["NVIDIA_VISIBLE_DEVICES names 7, which this machine does not have."]
