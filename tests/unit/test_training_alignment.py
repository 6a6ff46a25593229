"""Labels of characters reach the tokens that the service reads them from."""

from pathlib import Path

import pytest
from tokenizers import Encoding, Tokenizer

from stream_worker.domain.mentions import Span
from stream_worker.domain.text import clean
from triton_models.alignment import IGNORED, first_pieces, to_clean, tokens_of, word_tags
from triton_models.datasets import TAGS, Document, TaggedSentence, Target, TargetedText
from triton_models.examples import (
    EncodedTarget,
    encode_document,
    encode_sentence,
    encode_targeted_text,
    is_held_out,
    load_tokenizer,
)

#: The tokenizer of the shipped models, with its real vocabulary.
TOKENIZER_FOLDER = Path(__file__).parents[2] / "triton_models" / "repository" / "sentiment" / "1"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(TOKENIZER_FOLDER)


def words(encoding: Encoding, text: str) -> list[str]:
    ends = [*first_pieces(encoding)[1:], len(encoding.ids) - 1]
    return [
        text[encoding.offsets[first][0] : encoding.offsets[end - 1][1]]
        for first, end in zip(first_pieces(encoding), ends, strict=True)
    ]


def tags_of(tokenizer: Tokenizer, text: str, tokens: list[str], tags: list[str]) -> dict[str, str]:
    spans, position = [], 0
    for token in tokens:
        position = text.index(token, position)
        spans.append(Span(position, position + len(token)))
        position += len(token)
    encoding = tokenizer.encode(text)
    found = word_tags(encoding, spans, tags)
    return dict(zip(words(encoding, text), [found[index] for index in first_pieces(encoding)], strict=True))


def test_a_token_that_the_tokenizer_cuts_passes_its_tag_on(tokenizer: Tokenizer) -> None:
    tags = tags_of(tokenizer, "Buy A-Z shares", ["Buy", "A-Z", "shares"], ["O", "B-ORG", "O"])
    assert tags == {"Buy": "O", "A": "B-ORG", "-": "I-ORG", "Z": "I-ORG", "shares": "O"}


def test_an_inside_tag_that_continues_nothing_begins_an_entity(tokenizer: Tokenizer) -> None:
    tags = tags_of(tokenizer, "in York and Acme", ["in", "York", "and", "Acme"], ["O", "I-LOC", "O", "I-ORG"])
    assert tags == {"in": "O", "York": "B-LOC", "and": "O", "Acme": "B-ORG"}


def test_two_neighbours_of_one_type_stay_two_entities(tokenizer: Tokenizer) -> None:
    tags = tags_of(tokenizer, "Ford Tesla", ["Ford", "Tesla"], ["B-ORG", "B-ORG"])
    assert tags == {"Ford": "B-ORG", "Tesla": "B-ORG"}


def test_only_first_pieces_of_words_carry_a_tag(tokenizer: Tokenizer) -> None:
    sentence = TaggedSentence("wire", "Zwickau falls", (Span(0, 7), Span(8, 13)), ("B-LOC", "O"))
    example = encode_sentence(tokenizer, sentence)
    pieces = tokenizer.encode("zwickau").tokens[1:-1]
    assert len(pieces) > 1
    later = [IGNORED] * (len(pieces) - 1)
    assert example.tags == [IGNORED, TAGS.index("B-LOC"), *later, TAGS.index("O"), IGNORED]


def test_a_raw_span_is_found_again_in_the_clean_text() -> None:
    raw = "  AT&amp;T   gains"
    text = clean(raw)
    span = to_clean(Span(2, 10), text)
    assert span is not None
    assert text.text[span.start : span.end] == "AT&T"
    assert to_clean(Span(0, 2), text) is None
    assert text.to_raw(span) == Span(2, 10)


def test_a_target_takes_all_pieces_that_share_a_character_with_it(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode("the Zwickau fair")
    tokens = tokens_of(Span(4, 11), encoding)
    assert tokens is not None
    assert encoding.offsets[tokens[0]][0] == 4
    assert encoding.offsets[tokens[1] - 1][1] == 11
    assert tokens_of(Span(3, 4), encoding) is None


def test_a_target_beyond_the_longest_input_is_left_out(tokenizer: Tokenizer) -> None:
    text = "rise " * 300 + "Acme"
    targets = (Target(Span(0, 4), "positive"), Target(Span(1500, 1504), "negative"))
    example = encode_targeted_text(tokenizer, TargetedText("wire", text, targets, "g"))
    assert len(example.input_ids) == 256
    assert example.targets == (EncodedTarget(1, 2, 2),)
    assert example.label == IGNORED


def test_documents_are_learnt_from_their_clean_text(tokenizer: Tokenizer) -> None:
    raw, plain = (
        encode_document(tokenizer, Document("wire", text, "neutral", "g", None)) for text in ("AT&amp;T", "AT&T")
    )
    assert raw == plain


def test_near_copies_are_held_out_together_and_about_the_share_asked_for() -> None:
    held_out = [is_held_out(f"group {number}", 0.08) for number in range(5000)]
    assert held_out == [is_held_out(f"group {number}", 0.08) for number in range(5000)]
    assert 0.065 < sum(held_out) / len(held_out) < 0.095
