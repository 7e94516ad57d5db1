from __future__ import annotations

import pytest

from mlperf_registry.detect.cpu import condensed, cpu_model, read_cpu

TWO_SOCKETS = "\n".join(
    f"processor\t: {index}\nvendor_id\t: GenuineIntel\nmodel name\t: Some Xeon\nphysical id\t: {index // 4}\n"
    "siblings\t: 4\ncpu cores\t: 2\nflags\t\t: fpu avx2\n"
    for index in range(8)
)


def arm(*parts):
    return "\n".join(
        f"processor\t: {index}\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nCPU implementer\t: {implementer}\n"
        f"CPU part\t: {part}\n"
        for index, (implementer, part) in enumerate(parts)
    )


def shape(cpu):
    return cpu.sockets, cpu.cores_per_socket, cpu.threads_per_core


def test_cpuinfo_stands_in_where_sys_is_not_there(make_host):
    notes = []
    cpu = read_cpu(make_host(files={"/proc/cpuinfo": TWO_SOCKETS}), one_chip=False, notes=notes)
    assert (cpu.vendor, cpu.model, *shape(cpu)) == ("GenuineIntel", "Some Xeon", 2, 2, 2)
    assert notes == []


@pytest.mark.parametrize("text", ["", "garbage", "processor\t: 0\ncpu cores\t: 0\nsiblings\t: 0\nphysical id\t: 0\n"])
def test_without_either_the_shape_is_unknown(make_host, text):
    notes = []
    cpu = read_cpu(make_host(files={"/proc/cpuinfo": text}), one_chip=False, notes=notes)
    assert shape(cpu) == (None, None, None)
    assert len(notes) == 2


def test_a_condensed_cpuinfo_tells_the_same(make_host):
    short = condensed(TWO_SOCKETS)
    assert short.count("model name") == 2
    assert "flags" not in short
    hosts = [make_host(files={"/proc/cpuinfo": text}) for text in (TWO_SOCKETS, short)]
    whole, brief = (read_cpu(host, one_chip=False, notes=[]) for host in hosts)
    assert whole == brief


@pytest.mark.parametrize(
    ("parts", "model"),
    [
        ([("0x41", "0xd4f")] * 4, "Neoverse-V2"),
        ([("0x41", "0xd0c")], "Neoverse-N1"),
        ([("0x41", "0xd85"), ("0x41", "0xd87"), ("0x41", "0xd85")], "Cortex-X925 + Cortex-A725"),
        ([("0x4e", "0x004")], "NVIDIA Carmel (ARMv8.2)"),
        ([("0x41", "0xfff")], "ARMv8 Processor rev 1 (v8l)"),
    ],
)
def test_arm_cores_are_named(make_host, parts, model):
    host = make_host(architecture="aarch64", files={"/proc/cpuinfo": arm(*parts)})
    assert cpu_model(host) == model


def test_cores_that_are_offline_do_not_count(make_host):
    topology = "/sys/devices/system/cpu/cpu{}/topology/{}_siblings_list"
    files = {
        "/sys/devices/system/cpu/online": "0-3,8-9\n",
        topology.format(0, "core"): "0-3\n",
        topology.format(0, "thread"): "0\n",
        topology.format(8, "core"): "8-9\n",
    }
    assert shape(read_cpu(make_host(files=files), one_chip=False, notes=[])) == (2, 4, 1)
    assert shape(read_cpu(make_host(files=files), one_chip=True, notes=[])) == (1, 6, 1)


@pytest.mark.parametrize(
    ("files", "affinity", "words"),
    [
        ({}, "0-3", None),
        ({}, "0-1", "may use 2 of the machine's 4 logical CPUs (0-1)"),
        ({"/sys/fs/cgroup/cpu.max": "150000 100000\n"}, "0-3", "use 1.5 CPUs' time"),
        ({"/sys/fs/cgroup/cpu.max": "max 100000\n"}, "0-3", None),
        ({"/sys/fs/cgroup/cpu.max": "800000 100000\n"}, "0-3", None),
        (
            {
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            "0-3",
            "use 2 CPUs' time",
        ),
        (
            {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            "0-3",
            None,
        ),
    ],
)
def test_limits_of_a_container_are_said(make_host, files, affinity, words):
    host = make_host(
        affinity=affinity,
        files={
            "/proc/cpuinfo": TWO_SOCKETS,
            "/sys/devices/system/cpu/online": "0-3",
            "/sys/devices/system/cpu/cpu0/topology/core_siblings_list": "0-3",
            **files,
        },
    )
    notes = []
    read_cpu(host, one_chip=False, notes=notes)
    assert len(notes) == (words is not None)
    assert words is None or words in notes[0]
