"""HTML → the text that a reader sees, by resiliparse (a parser of HTML5: broken markup reads as in a browser).

Blocks, list items and table rows become lines; scripts, styles, comments and forms are left out, references resolved.
"""

import re

from resiliparse.extract.html2text import extract_plain_text

#: The parser compares each attribute of a tag with all others: 200,000 characters of them take seconds.
_LONGEST_TAG = 4_096
#: A comment, a script or style with its content, or a tag. Each takes all that it looks at, so that time is linear.
_MARKUP = re.compile(
    r"""<!--.*?(?:-->|\Z)
    | <(script|style)\b.*?(?:</\1[^>]*+>?|\Z)
    | (?P<name></?[a-z][^\s/>]*+) (?:[^=>]++ | =\s*+(?:"[^"]*+"? | '[^']*+'?)?+)*+ """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
#: List items would be indented by their depth: 200,000 characters of nested lists become a gigabyte.
_LIST = re.compile(r"(</?)(?:ul|ol|menu|dir|li)\b", re.IGNORECASE)


def text_of_html(html: str) -> str:
    """The text of an HTML document or fragment; at most as long as it, in time proportional to its length."""
    tamed = _LIST.sub(r"\1div", html)
    if len(html) > _LONGEST_TAG:
        tamed = _MARKUP.sub(lambda match: match[0] if len(match[0]) <= _LONGEST_TAG else match["name"] or "", tamed)
    return extract_plain_text(tamed, preserve_formatting=True, list_bullets=False, alt_texts=False)
