"""Rows of data sets → what the networks learn from: token ids with their labels. Free of torch."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from stream_worker.domain.sentiment import LABELS
from stream_worker.domain.text import clean
from triton_models.alignment import IGNORED, to_clean, tokens_of, word_tags
from triton_models.datasets import TAGS, Document, TaggedSentence, TargetedText

#: The longest sequence that the models read, special tokens included.
MAX_TOKENS = 256


@dataclass(frozen=True, slots=True)
class EncodedTarget:
    """Tokens `first` to `end` (exclusive) carry the sentiment `label`."""

    first: int
    end: int
    label: int


@dataclass(frozen=True, slots=True)
class SentimentExample:
    """A text with a sentiment of its own (or IGNORED), with targets, or both."""

    source: str
    input_ids: list[int]
    label: int
    targets: tuple[EncodedTarget, ...]


@dataclass(frozen=True, slots=True)
class EntityExample:
    """A text with one tag index a token; IGNORED where no word begins."""

    source: str
    input_ids: list[int]
    tags: list[int]


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a pre-trained encoder, cutting at MAX_TOKENS and never padding."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def encode_document(tokenizer: Tokenizer, row: Document) -> SentimentExample:
    """One training example of the document head."""
    encoding = tokenizer.encode(clean(row.text).text)
    return SentimentExample(row.source, encoding.ids, LABELS.index(row.label), ())


def encode_targeted_text(tokenizer: Tokenizer, row: TargetedText) -> SentimentExample:
    """One training example of the token head; targets that truncation cut off are left out."""
    text = clean(row.text)
    encoding = tokenizer.encode(text.text)
    targets = []
    for target in row.targets:
        span = to_clean(target.span, text)
        tokens = tokens_of(span, encoding) if span else None
        if tokens:
            targets.append(EncodedTarget(*tokens, LABELS.index(target.label)))
    return SentimentExample(row.source, encoding.ids, IGNORED, tuple(targets))


def encode_sentence(tokenizer: Tokenizer, row: TaggedSentence) -> EntityExample:
    """One training example of the tag head."""
    text = clean(row.text)
    encoding: Encoding = tokenizer.encode(text.text)
    tags = word_tags(encoding, [to_clean(token, text) for token in row.tokens], row.tags)
    return EntityExample(
        row.source,
        encoding.ids,
        [TAGS.index(tags[index]) if index in tags else IGNORED for index in range(len(encoding.ids))],
    )


def is_held_out(group: str, share: float) -> bool:
    """Whether a group of near-copies belongs to validation; the same for every seed and every data set."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) < share * 2**32


def lengths_of(examples: Sequence[SentimentExample] | Sequence[EntityExample]) -> list[int]:
    """Tokens of each example."""
    return [len(example.input_ids) for example in examples]
