"""The HTML page around a report: head, style, script, and the file on disk.

The page may fetch nothing: its Content-Security-Policy allows its own style and script by digest, and no address.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from mlperf_registry.atomic import write_bytes
from mlperf_registry.report.markup import Html, join, tag

REPORT_NAME = "report.html"
"""File name of every report, in the folder of its run or multirun."""


def page(title: str, *content: Html) -> str:
    """A whole document."""
    style, script = _resource("page.css"), _resource("page.js")
    policy = f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html(style)),
    )
    body = tag("body", tag("main", *content), tag("script", Html(script)))
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en")


def write_page(path: Path, document: str) -> Path:
    """Puts a document at ``path``, whole or not at all, and returns ``path``."""
    # A path from the operating system may hold bytes that are no text.
    write_bytes(path, document.encode("utf-8", "backslashreplace"))
    return path


def card(heading: str, *content: str, note: str = "", css: str = "") -> Html:
    """A section of the page."""
    return tag(
        "section",
        tag("h2", heading),
        tag("p", note, class_="note") if note else "",
        *content,
        class_=f"card {css}".rstrip(),
    )


def chips(labels: Iterable[tuple[str, str, str]]) -> Html:
    """Short facts in a row: (label, sentence on hover, class)."""
    return tag(
        "ul",
        *(tag("li", label, class_=f"chip {css}".rstrip(), title=doc or None) for label, doc, css in labels),
        class_="chips",
    )


def bullets(sentences: Iterable[str]) -> Html:
    """A plain list."""
    return tag("ul", *(tag("li", sentence) for sentence in sentences), class_="plain")


def plot(caption: str, svg: Html, note: str = "") -> Html:
    """A plot with its caption."""
    return tag("figure", tag("figcaption", caption, tag("small", note) if note else ""), svg)


def facts(caption: str, rows: Sequence[tuple[str, str]]) -> Html:
    """A two-column table of names and values."""
    body = (tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows)
    return tag("table", tag("caption", caption), tag("tbody", join(body)))


def _resource(name: str) -> str:
    return resources.files("mlperf_registry.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
