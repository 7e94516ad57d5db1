from __future__ import annotations

import pytest

from mlperf_registry.detect.board import Board, read_board

TREE = "/proc/device-tree"


def tegra(model, chip, **statuses):
    """A device tree with these DLAs; None: without a status, which means enabled."""
    host1x = f"{TREE}/bus@0/host1x@13e00000"
    return {
        "files": {
            f"{TREE}/model": f"{model}\0",
            f"{TREE}/compatible": f"nvidia,p0000\0nvidia,{chip}\0",
            **{f"{host1x}/{name}/status": f"{status}\0" for name, status in statuses.items() if status},
        },
        "folders": {f"{TREE}/bus@0": ["host1x@13e00000"], host1x: ["vic@1", *statuses]},
    }


@pytest.mark.parametrize(
    ("model", "chip", "dlas", "gpu", "compute_sm"),
    [
        ("NVIDIA Jetson AGX Orin Developer Kit", "tegra234", ["okay", "okay"], "Jetson AGX Orin", 87),
        ("NVIDIA Jetson Orin NX Engineering Reference Developer Kit Super", "tegra234", [None, None], "Orin NX", 87),
        ("NVIDIA Jetson Orin NX Engineering Reference Developer Kit", "tegra234", ["okay", "disabled"], "Orin NX", 87),
        ("NVIDIA Jetson Orin Nano Developer Kit", "tegra234", ["disabled", "disabled"], "Orin Nano", 87),
        ("NVIDIA Jetson Xavier NX Developer Kit", "tegra194", ["okay", "okay"], "Xavier NX", 72),
        ("Jetson-AGX", "tegra194", ["okay", "okay"], None, 72),
        ("NVIDIA Jetson AGX Thor Developer Kit", "tegra264", [], "NVIDIA Thor", 110),
    ],
)
def test_jetsons_are_read_from_the_device_tree(make_host, model, chip, dlas, gpu, compute_sm):
    statuses = {f"nvdla{index}": status for index, status in enumerate(dlas)}
    board = read_board(make_host(architecture="aarch64", **tegra(model, chip, **statuses)))
    assert board == Board(model, chip, sum(status != "disabled" for status in dlas))
    assert (board.gpu_name, board.compute_sm) == (gpu, compute_sm)


def test_in_a_container_the_chip_itself_tells(make_host):
    chip = "/sys/devices/soc0"
    host = make_host(
        architecture="aarch64",
        files={
            f"{chip}/family": "Tegra\n",
            f"{chip}/soc_id": "35\n",
            f"{chip}/machine": "NVIDIA Jetson AGX Orin Developer Kit\n",
        },
        folders={"/dev": ["null", "nvhost-ctrl-nvdla0", "nvhost-ctrl-nvdla1", "nvhost-nvdla0"]},
    )
    assert read_board(host) == Board("NVIDIA Jetson AGX Orin Developer Kit", "tegra234", 2)


def test_another_device_tree_is_no_tegra(make_host):
    files = {f"{TREE}/model": "Raspberry Pi 5\0", f"{TREE}/compatible": "raspberrypi,5\0brcm,bcm2712\0"}
    assert read_board(make_host(architecture="aarch64", files=files)) == Board("Raspberry Pi 5")


@pytest.mark.parametrize(
    ("vendor", "product", "model"),
    [
        ("NVIDIA", "DGXH100", "NVIDIA DGXH100"),
        ("HPE", "HPE ProLiant", "HPE ProLiant"),
        ("To Be Filled By O.E.M.", "To Be Filled By O.E.M.", None),
        ("QEMU", "", "QEMU"),
        (None, None, None),
    ],
)
def test_other_boards_are_named_by_the_firmware(make_host, vendor, product, model):
    firmware = {"sys_vendor": vendor, "product_name": product}
    files = {f"/sys/class/dmi/id/{name}": f"{text}\n" for name, text in firmware.items() if text is not None}
    assert read_board(make_host(files=files)) == Board(model)
