"""How much a place in a text counts, and how much a text is about what it names.

News is an inverted pyramid: what matters most comes first (Pöttker 2003, Journalism Studies 4:4), and its headline is
written to say the most (Dor 2003, Journal of Pragmatics 35:5).
"""

import math
from collections import Counter
from collections.abc import Sequence

#: So many code points further into a body, half as much is said. About 170 words of English: what a lead takes.
HALF_LIFE_CODE_POINTS = 1_000
#: Where a body begins that has a title before it, compared with the title.
BELOW_THE_TITLE = 0.5
#: Of what a text names after its subject, compared with the subject.
IN_PASSING = 0.8


def prominence(position: int, body_start: int | None) -> float:
    """Of a code point of a text, in [0, 1]; never rises with the position.

    1 in a title; ½ · 2^(−x / 1000) where the body that follows a title is x code points old; 2^(−x / 1000) in a text
    without title (`body_start` is None). What comes behind a place changes nothing about it.
    """
    if body_start is None:
        return float(2.0 ** (-position / HALF_LIFE_CODE_POINTS))
    if position < body_start:
        return 1.0
    return float(BELOW_THE_TITLE * 2.0 ** ((body_start - position) / HALF_LIFE_CODE_POINTS))


def relevances(mentions: Sequence[tuple[str | None, int]], body_start: int | None) -> list[float]:
    """How much a text is about what each mention names, in [0, 1]; a mention is (instrument or None, start).

    prominence · √share · role. `share` is how many of all mentions of instruments name this one: of a list of twenty
    tickers the text is about none. `role` is 1 for the subject, the instrument that is named first, and 0.8 for what is
    named in passing. Where an entity is first mentioned, and how often, tell its salience best of all simple features
    (Dunietz and Gillick 2014, A New Entity Salience Task with Millions of Training Examples). What names no instrument
    has the prominence of its place.
    """
    counts = Counter(instrument for instrument, _ in mentions if instrument is not None)
    subject = next((instrument for instrument, _ in mentions if instrument is not None), None)
    total = counts.total()
    found = []
    for instrument, start in mentions:
        relevance = prominence(start, body_start)
        if instrument is not None:
            relevance *= math.sqrt(counts[instrument] / total) * (1.0 if instrument == subject else IN_PASSING)
        found.append(relevance)
    return found


def weights(passages: Sequence[tuple[int, int]], body_start: int | None) -> list[float]:
    """How much each passage of a text, given as (start, tokens), counts for the sentiment of the whole; adds up to 1.

    tokens · prominence, with title and body of equal weight where there are both: what the editor says the body says,
    and what it says. By tokens, because the network's document head is linear in the mean of all tokens' states: the
    token-weighted mean of the logits of passages is what it would say of their states together. What is appended to a
    body of x code points gets about 2^(−x / 1000) of the body's weight at the most, however long it is.
    """
    counts = [tokens * prominence(start, body_start) for start, tokens in passages]
    in_title = [body_start is not None and start < body_start for start, _ in passages]
    title = math.fsum(count for count, first in zip(counts, in_title, strict=True) if first)
    body = math.fsum(counts) - title
    if not title or not body:
        return [count / (title + body) for count in counts]
    return [count / (2 * (title if first else body)) for count, first in zip(counts, in_title, strict=True)]
