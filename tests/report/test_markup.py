"""Nothing that is not markup reaches a page unescaped."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from mlperf_registry.report.markup import escape, join, tag

HOSTILE = "<script>alert('x')</script> & \"quoted\""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.attributes: dict[str, str | None] = {}

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(name)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(exclude_characters="\0\r", exclude_categories=("Cs",))))
def test_text_and_attributes_come_back_as_they_were(text: str) -> None:
    reader = _Reader()
    reader.feed(tag("p", text, data_tip=text))
    reader.close()
    assert reader.tags == ["p"]
    assert reader.text == text
    assert reader.attributes == {"data-tip": text}


def test_markup_is_not_escaped_twice() -> None:
    inner = tag("b", HOSTILE)
    assert str(tag("p", inner)) == f"<p>{inner}</p>"
    assert escape(inner) is inner
    assert join([inner, "<"]) == inner + "<" == f"{inner}&lt;"


def test_attributes_are_named_left_out_and_rounded() -> None:
    assert tag("a", class_="x", hidden=True, title=None, open=False, x=1.23456) == '<a class="x" hidden x="1.23"></a>'
    assert tag("meta", name="viewport") == '<meta name="viewport">'
