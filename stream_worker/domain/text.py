"""Raw text as published → clean text for models, language identification and linking.

Cleaning removes what a reader does not see or would not miss: HTML references are resolved, however often they were
escaped; control, zero-width and bidirectional characters and variation selectors go; whitespace runs become one space;
text is composed (NFC). Full-width and half-width forms, ligatures and mathematical letters take their plain form
(NFKC); other compatibility characters stay, because their plain form reads differently: "5½", "10²", "Apple™".
Every clean code point remembers where in the raw text it came from.
"""

import html
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from html.entities import html5

from stream_worker.domain.mentions import Span

#: Blocks whose compatibility forms say the same thing in other shapes; everything else keeps its form.
_RESHAPED = re.compile("[\ufb00-\ufb06\uff01-\uff5e\uff61-\uff9f\uffe0\uffe1\uffe5\uffe6\U0001d400-\U0001d7ff]")
_VARIATION_SELECTOR = re.compile("[\u034f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_NEEDS_WORK = re.compile(f"{_RESHAPED.pattern}|{_VARIATION_SELECTOR.pattern}")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{1,30});")
_LONGEST_REFERENCE = 33
#: ASCII words with single spaces between them, free of references: copied as they are.
_PLAIN_RUN = re.compile(r"[!-%'-:<-~]+(?: [!-%'-:<-~]+)*")


@dataclass(frozen=True, slots=True)
class CleanText:
    """Clean text and where it came from.

    Clean code point i stands for the raw code points `origin[i]` to `ends[i]` (exclusive); both are None where
    nothing was changed, and both rise monotonically otherwise.
    """

    text: str
    origin: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def to_raw(self, span: Span) -> Span:
        """The raw span that a span of the clean text stands for; characters removed at its edges stay outside."""
        if self.origin is None or self.ends is None:
            return span
        if span.start == span.end:
            point = self.ends[span.start - 1] if span.start else 0
            return Span(point, point)
        return Span(self.origin[span.start], self.ends[span.end - 1])

    def to_clean(self, span: Span) -> Span:
        """The clean code points that stand for any of a raw span's; empty where cleaning left nothing of it."""
        if self.origin is None:
            return span
        start = self.first_from(span.start)
        return Span(start, max(start, bisect_left(self.origin, span.end)))

    def first_from(self, position: int) -> int:
        """The first clean code point that stands for the raw one at a position, or for one behind it."""
        return position if self.ends is None else bisect_right(self.ends, position)


def clean(raw: str) -> CleanText:
    """Clean a text. Accepts every str; cleaning clean text changes nothing."""
    return CleanText(raw) if _is_clean(raw) else _Cleaning().run(raw)


def _is_clean(raw: str) -> bool:
    if not raw.isprintable() or "  " in raw or raw[:1] == " " or raw[-1:] == " ":
        return False
    if not raw.isascii() and (_NEEDS_WORK.search(raw) or not unicodedata.is_normalized("NFC", raw)):
        return False
    return "&" not in raw or _REFERENCE.search(raw) is None


class _Cleaning:
    """One pass over one text, linear in its length.

    A reference is resolved when its semicolon arrives, by looking back in what has been written; so references that
    appear only through cleaning ("&amp;lt;") are resolved in the same pass.
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []

    def run(self, raw: str) -> CleanText:
        position = 0
        while position < len(raw):
            if plain := _PLAIN_RUN.match(raw, position):
                self._text.extend(plain.group())
                self._starts.extend(range(position, plain.end()))
                self._ends.extend(range(position + 1, plain.end() + 1))
                position = plain.end()
            else:
                self._take(raw[position], position, position + 1)
                position += 1
        if self._text and self._text[-1] == " ":
            self._forget(1)
        return CleanText("".join(self._text), tuple(self._starts), tuple(self._ends))

    def _take(self, character: str, start: int, end: int) -> None:
        if character.isspace():
            if self._text and self._text[-1] != " ":
                self._write(" ", start, end)
        elif not _is_invisible(character):
            for part in unicodedata.normalize("NFKC" if _RESHAPED.match(character) else "NFC", character):
                self._compose(part, start, end)

    def _compose(self, character: str, start: int, end: int) -> None:
        if unicodedata.combining(character) and self._text:
            composed = unicodedata.normalize("NFC", self._text[-1] + character)
            if len(composed) == 1:
                self._text[-1] = composed
                self._ends[-1] = end
                return
        self._write(character, start, end)
        if character == ";":
            self._resolve_reference()

    def _resolve_reference(self) -> None:
        tail = "".join(self._text[-_LONGEST_REFERENCE:])
        reference = _REFERENCE.fullmatch(tail, max(tail.rfind("&"), 0))
        if reference is None:
            return
        resolved = _resolved(reference.group())
        if resolved is None:
            return
        start, end = self._starts[-len(reference.group())], self._ends[-1]
        self._forget(len(reference.group()))
        for character in resolved:
            self._take(character, start, end)

    def _write(self, character: str, start: int, end: int) -> None:
        self._text.append(character)
        self._starts.append(start)
        self._ends.append(end)

    def _forget(self, count: int) -> None:
        del self._text[-count:], self._starts[-count:], self._ends[-count:]


def _is_invisible(character: str) -> bool:
    if _VARIATION_SELECTOR.match(character):
        return True
    return not character.isprintable() and unicodedata.category(character) in ("Cc", "Cf")


def _resolved(reference: str) -> str | None:
    """The characters of a reference with its semicolon; None for a name that HTML does not know ("AT&T;")."""
    return html.unescape(reference) if reference[1] == "#" else html5.get(reference[1:])
