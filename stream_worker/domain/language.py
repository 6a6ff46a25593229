"""Which language a text is in, or why it is in none that the models know.

Most texts are decided by their alphabet and a few telling words in some microseconds; the rest go to py3langid
(naive Bayes over byte n-grams, Lui and Baldwin 2012), which alone would refuse 7 % of English tweets. Its loading takes
half a second and waits until the first text that needs it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from py3langid.langid import MODEL_FILE
from py3langid.langid import LanguageIdentifier as StatisticalIdentifier

from stream_worker.domain.language_profiles import PROFILES, Profile


class Abstention(StrEnum):
    """Why a text is not scored."""

    OTHER_LANGUAGE = "other_language"
    NO_WORDS = "no_words"


@dataclass(frozen=True, slots=True)
class Language:
    """A decision: exactly one of `code` (a known language, ISO 639-1) and `abstention` is set."""

    code: str | None
    abstention: Abstention | None = None


#: More text than this says nothing new about its language, and the time must stay bounded.
_CHARACTERS_READ = 600
_WORD = re.compile(r"[^\W\d_]+")
_LETTER = re.compile(r"[^\W\d_]")
#: Names of accounts and securities, tags and addresses are of no language.
_NOT_PROSE = re.compile(r"(?:https?://|www\.)\S*|[@$#]\w+|\b(?:RT|via)\b")

#: Below the first probability of a known language, a text is taken for another; above the second, for a known one; in
#: between the producer's declaration decides, and without one the text is scored.
_SURELY_OTHER = 0.005
_SURELY_KNOWN = 0.2
#: Fewer plain words than this are a name or a cry ("AAP", "FULHAAAM !") rather than a language.
_WORDS_NEEDED = 3
#: Two foreign words without a telling one demand this probability instead; one may be a name.
_PROBABLE_DESPITE_FOREIGN_WORDS = 0.6

_OTHER = Language(None, Abstention.OTHER_LANGUAGE)
_NO_WORDS = Language(None, Abstention.NO_WORDS)


class LanguageIdentifier:
    """Decides for a fixed set of known languages; safe to call from several threads.

    A text without letters ("+3.5 %") reads the same in every language and counts as the first known one, in
    alphabetical order; a text with neither letters nor digits has no words.
    """

    def __init__(self, known: Iterable[str]) -> None:
        """Raises ValueError when no language is known."""
        self._known = frozenset(known)
        if not self._known:
            raise ValueError("at least one language must be known")
        self._decisions = {code: Language(code) for code in sorted(self._known)}
        self._default = next(iter(self._decisions.values()))
        self._profiles = [(code, PROFILES[code]) for code in self._decisions if code in PROFILES]
        self._alphabets_known = len(self._profiles) == len(self._known)

    def identify(self, text: str, declared: str | None = None) -> Language:
        """The language of a clean text. `declared` is what its producer says (BCP 47): a hint for doubtful texts."""
        start = text[:_CHARACTERS_READ]
        if not start.isascii() and (decision := self._by_alphabet(start)):
            return decision
        words = _words(start)
        for code, profile in self._profiles:
            if _telling(words, profile):
                return self._decisions[code]
        if not words:
            return self._default if any(map(str.isalnum, text)) else _NO_WORDS
        return self._by_statistics(start, words, declared)

    def _by_alphabet(self, text: str) -> Language | None:
        """Another language, when most letters are of alphabets that no known language uses."""
        if not self._alphabets_known:
            return None
        prose = _NOT_PROSE.sub(" ", text)
        letters = len(_LETTER.findall(prose))
        known = max(len(profile.alphabet.findall(prose)) for _, profile in self._profiles)
        return _OTHER if 2 * known < letters else None

    def _by_statistics(self, text: str, words: frozenset[str], declared: str | None) -> Language:
        probabilities = dict(self._statistical.rank(_NOT_PROSE.sub(" ", text)))
        code = max(self._decisions, key=lambda known: probabilities.get(known, 0.0))
        probability = sum(probabilities.get(known, 0.0) for known in self._known)
        profile = PROFILES.get(code)
        foreign = words & profile.foreign if profile else frozenset()
        if probability < _SURELY_OTHER and (foreign or len(words) >= _WORDS_NEEDED or not text.isascii()):
            return _OTHER
        if profile and len(foreign) > 1 and not words & profile.telling:
            return self._decisions[code] if probability > _PROBABLE_DESPITE_FOREIGN_WORDS else _OTHER
        if probability > _SURELY_KNOWN or declared is None:
            return self._decisions[code]
        return self._decisions.get(declared.partition("-")[0].lower(), _OTHER)

    @cached_property
    def _statistical(self) -> StatisticalIdentifier:
        return StatisticalIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _words(text: str) -> frozenset[str]:
    if "$" in text or "#" in text or "@" in text or "http" in text or "www." in text:
        text = _NOT_PROSE.sub(" ", text)
    return frozenset(_WORD.findall(text.lower()))


def _telling(words: frozenset[str], profile: Profile) -> bool:
    evidence = 2 * len(words & profile.telling) + len(words & profile.frequent)
    return evidence >= 2 + 2 * len(words & profile.foreign)
