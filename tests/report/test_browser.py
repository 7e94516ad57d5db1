"""Reports opened in headless Chromium: plots are drawn, nothing is fetched, nothing is logged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from mlperf_registry.report.multirun import write_multirun_report
from mlperf_registry.report.points import Point
from mlperf_registry.report.provenance import ProvenanceRow
from mlperf_registry.report.run import write_run_report
from mlperf_registry.schema.plan import LoadGenSettings
from mlperf_registry.schema.result import RunResult

pytestmark = pytest.mark.browser

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1240,1000",
)

_EMPTY_MARKS = """
return [...document.querySelectorAll("svg .bar, svg .area, svg .line, svg .dot")].filter((mark) => {
  const box = mark.getBBox();
  return !(box.width > 0 && (box.height > 0 || mark.classList.contains("line")));
}).map((mark) => mark.outerHTML);
"""

_OUTSIDE = """
return [...document.querySelectorAll("svg")].flatMap((svg) => {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  return [...svg.querySelectorAll("text, rect, polyline, polygon, circle")].filter((mark) => {
    const box = mark.getBBox();
    const turned = mark.getAttribute("transform") !== null;
    return !turned && (box.x < -1 || box.y < -1 || box.x + box.width > width + 1 || box.y + box.height > height + 1);
  }).map((mark) => mark.outerHTML);
});
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium with an empty profile."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[test]'")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium or no chromedriver on PATH: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


@pytest.fixture
def opened(browser: Any) -> Callable[[Path], Any]:
    """Opens a report and holds it to what every report must keep."""

    def open_report(path: Path) -> Any:
        browser.get_log("performance")
        browser.get(path.as_uri())
        assert browser.get_log("browser") == []
        assert _fetched(browser, path.as_uri()) == []
        assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
        assert browser.execute_script(_EMPTY_MARKS) == []
        assert browser.execute_script(_OUTSIDE) == []
        fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert browser.execute_script(fits)
        return browser

    return open_report


@pytest.fixture
def run_report(
    tmp_path: Path,
    make_result: Callable[..., RunResult],
    make_settings: Callable[..., LoadGenSettings],
    make_samples: Callable[..., Path],
    make_provenance: Callable[[], list[ProvenanceRow]],
) -> Path:
    return write_run_report(
        tmp_path, make_result(), make_settings(), make_provenance(), make_samples(), accuracy_unit="%"
    )


def _fetched(browser: Any, page: str) -> list[str]:
    """Addresses that ``page`` asked for, itself and data: apart."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    addresses = [params["request"]["url"] for params in sent if params["documentURL"] == page]
    return [address for address in addresses if address != page and not address.startswith("data:")]


def _count(chrome: Any, selector: str) -> int:
    return int(chrome.execute_script("return document.querySelectorAll(arguments[0]).length", selector))


def test_the_plots_of_a_server_run_are_drawn(opened: Callable[[Path], Any], run_report: Path) -> None:
    chrome = opened(run_report)
    assert _count(chrome, "#latency .bar") > 20
    assert _count(chrome, "#latency .marker") == 4
    assert _count(chrome, "#tail .line") == 1
    assert _count(chrome, "#throughput .area") == 1
    assert _count(chrome, "#drift .line") == 2


def test_the_plots_of_an_offline_run_are_drawn(
    opened: Callable[[Path], Any],
    tmp_path: Path,
    make_result: Callable[..., RunResult],
    make_settings: Callable[..., LoadGenSettings],
    make_offline_samples: Callable[..., Path],
) -> None:
    settings = make_settings(scenario="Offline")
    chrome = opened(write_run_report(tmp_path, make_result(scenario="Offline"), settings, (), make_offline_samples()))
    assert _count(chrome, "#latency .bar") > 20
    heads = chrome.execute_script("return [...document.querySelectorAll('h2')].map((head) => head.textContent)")
    assert heads.index("Over time") < heads.index("Latency")


def test_the_plots_of_a_token_run_are_drawn(
    opened: Callable[[Path], Any],
    tmp_path: Path,
    make_result: Callable[..., RunResult],
    make_settings: Callable[..., LoadGenSettings],
    make_samples: Callable[..., Path],
) -> None:
    settings = make_settings(use_token_latencies=True, ttft_latency_ns=500_000_000, tpot_latency_ns=30_000_000)
    samples = make_samples(4000, 50, tokens=True)
    chrome = opened(write_run_report(tmp_path, make_result(scenario="Interactive"), settings, (), samples))
    assert _count(chrome, "#ttft .bar") > 10 and _count(chrome, "#tpot .bar") > 10


def test_one_sample_is_drawn(
    opened: Callable[[Path], Any],
    tmp_path: Path,
    make_result: Callable[..., RunResult],
    make_samples: Callable[..., Path],
) -> None:
    chrome = opened(
        write_run_report(tmp_path, make_result(), None, (), make_samples(issue_ns=[0], complete_ns=[2_000_000]))
    )
    assert _count(chrome, "#latency .bar") == 1


def test_a_tip_appears_over_a_bar(opened: Callable[[Path], Any], run_report: Path) -> None:
    chrome = opened(run_report)
    chrome.execute_script(
        "const bar = document.querySelector('#latency .bar');"
        "bar.dispatchEvent(new MouseEvent('mousemove', {bubbles: true, clientX: 100, clientY: 100}));"
    )
    tip = chrome.execute_script("const tip = document.getElementById('tip'); return tip.hidden ? '' : tip.textContent")
    assert "samples (" in tip and " to " in tip


def test_the_configuration_can_be_searched(opened: Callable[[Path], Any], run_report: Path) -> None:
    chrome = opened(run_report)
    shown = (
        "return [...document.querySelectorAll('.config tbody tr:not(.group)')]"
        ".filter((row) => row.offsetHeight > 0).length"
    )
    everything = chrome.execute_script(shown)
    chrome.find_element("css selector", ".tools input[type=checkbox]").click()
    set_by_someone = chrome.execute_script(shown)
    chrome.find_element("css selector", ".tools input[type=search]").send_keys("deque")
    assert (everything, set_by_someone, chrome.execute_script(shown)) == (8, 6, 1)


def test_a_multirun_is_drawn_and_its_table_sorts(
    opened: Callable[[Path], Any], tmp_path: Path, make_points: Callable[[], list[Point]]
) -> None:
    chrome = opened(write_multirun_report(tmp_path, make_points()))
    assert _count(chrome, "#points0 .dot") == 7 and _count(chrome, "#points0 .dot.star") == 1
    heads = chrome.find_elements("css selector", "table[data-sortable] thead button")
    heads[2].click()
    heads[2].click()
    first = chrome.execute_script("return document.querySelector('table[data-sortable] tbody tr').cells[2].textContent")
    assert first == "3,120 samples/s"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_either_theme(opened: Callable[[Path], Any], run_report: Path, scheme: str) -> None:
    chrome = opened(run_report)
    chrome.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    script = (
        "const style = getComputedStyle(document.querySelector(arguments[0]));"
        "return [style.color, style.backgroundColor]"
    )
    luminances = []
    for selector, index in ((".note", 0), (".card", 1)):
        colour = chrome.execute_script(script, selector)[index]
        channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        luminances.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    low, high = sorted(luminances)
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_the_file_names_no_address_to_fetch(run_report: Path) -> None:
    html = run_report.read_text(encoding="utf-8")
    for reference in ('src="http', 'href="http', "url(", "@import", "srcset"):
        assert reference not in html
    assert "default-src 'none'" in unescape(html)
