"""Other people's text on a terminal."""


def printable(text: str) -> str:
    """One line without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
