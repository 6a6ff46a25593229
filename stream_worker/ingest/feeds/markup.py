"""A feed's bytes → its text, with everything refused that an XML parser should not be given."""

import codecs
import re
from xml.parsers import expat

from stream_worker.errors import FeedProblem
from stream_worker.ingest.feeds.problems import Reason

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARATION_BYTES = 256
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
_LAST_RESORT = "windows-1252"


def text_of(body: bytes, charset: str | None) -> str:
    """The text, whatever its server says about it.

    In order: a byte order mark; UTF-8 where the bytes can be nothing else; the charset of the Content-Type; what the
    XML declaration says (RFC 7303 asks for this order but for the second step: servers that call UTF-8 by another name
    are more common than other encodings that look like it); windows-1252.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    declared = _DECLARED.match(body[:_DECLARATION_BYTES])
    names = ["utf-8"] if not body.isascii() else []
    names += [name for name in (charset, declared and declared.group(1).decode("ascii")) if name]
    for name in names:
        try:
            return body.decode(name)
        except (ValueError, LookupError):
            continue
    return body.decode(_LAST_RESORT, "replace")


def utf8_xml(text: str) -> bytes:
    """The text in UTF-8, if what stands before its root element is well-formed and declares no entities.

    Entities are what billion laughs, quadratic blow-up and inclusion of files and addresses are made of, and no feed
    needs any. An external DTD may be named, as RSS 0.91 does; nothing fetches it. What follows the root element's
    beginning cannot declare anything any more. Raises FeedProblem.
    """
    data = text.lstrip().encode("utf-8", "replace")
    parser = expat.ParserCreate(encoding="utf-8")
    parser.EntityDeclHandler = _refuse_entity
    parser.StartElementHandler = _stop
    try:
        parser.Parse(data, True)
    except _RootReached:
        return data
    except expat.ExpatError as error:
        raise FeedProblem(Reason.NOT_XML, f"it does not begin as XML does ({error})") from None
    raise FeedProblem(Reason.NOT_XML, "it has no root element")


class _RootReached(Exception):
    """Everything that can be declared has been seen."""


def _stop(_name: str, _attributes: dict[str, str]) -> None:
    raise _RootReached


def _refuse_entity(name: str, *_: object) -> None:
    raise FeedProblem(Reason.ENTITIES, f"it declares the entity {name[:50]!r}; a feed with entities is not read")
