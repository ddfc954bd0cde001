"""A page of HTML, parsed by the standard library."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr", "rect", "path"}  # the last two are written <rect …/>


class Page(HTMLParser):
    """A page, parsed: elements with their attributes, text without style and script, and whether it is nested properly."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []  # (language of the nearest element that has one, text)
        self.inline: list[tuple[str, str]] = []
        self.spans: list[tuple[str, str]] = []  # (class, text) of those that are shown in one language
        self._open: list[tuple[str, str]] = []
        self._depth = 0  # of the span that is open; 0: none
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))
        outer = self._open[-1][1] if self._open else ""
        if dict(attrs).get("class") in ("en", "zh"):
            self.spans.append((str(dict(attrs)["class"]), ""))
            self._depth = len(self._open) + 1
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("lang") or outer))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._depth = 0 if len(self._open) == self._depth else self._depth
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tag, language = self._open[-1] if self._open else ("", "")
        if tag in ("style", "script"):
            self.inline.append((tag, data))
        else:
            self.words.append((language, data))
            if self._depth:
                self.spans[-1] = (self.spans[-1][0], self.spans[-1][1] + data)

    def text(self, language: str = "") -> str:
        """All text, or that of a language."""
        return "".join(data for lang, data in self.words if not language or lang == language)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]
