"""Texts become tokens that know their code points, and batches that waste little."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_worker.inference.batching import BUCKETS, MAX_PADDED_TOKENS, batches_of
from stream_worker.inference.contract import MAX_ROWS
from stream_worker.inference.decoding import words_of
from stream_worker.inference.encoding import NO_WORD, READ_CODE_POINTS, Encoder
from tests.stub_models import write_stub_repository

MAX_TOKENS = 256


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    repository = write_stub_repository(tmp_path_factory.mktemp("encoding"))
    return Encoder(repository / "sentiment" / "1" / "tokenizer.json", MAX_TOKENS)


def words(encoder: Encoder, text: str) -> list[str]:
    return [text[start:end] for start, end in words_of(encoder.encode([text])).edges.tolist()]


def test_edges_count_code_points_also_behind_emoji_and_combining_marks(encoder: Encoder) -> None:
    text = "🚀🚀 Apple e\u0301t x\u0302 👩\u200d💻 Nokia"
    assert words(encoder, text)[-1] == "Nokia"
    assert "Apple" in words(encoder, text)


def test_words_are_cut_at_punctuation_and_keep_all_their_pieces(encoder: Encoder) -> None:
    assert words(encoder, "Zürich-based Apple's") == ["Zürich", "-", "based", "Apple", "'", "s"]


def test_every_text_begins_and_ends_with_a_token_of_no_word(encoder: Encoder) -> None:
    encodings = encoder.encode(["Apple soars", "", "x"])
    assert encodings.words[encodings.splits[:-1]].tolist() == [NO_WORD] * 3
    assert encodings.words[encodings.splits[1:] - 1].tolist() == [NO_WORD] * 3
    assert encodings.lengths.tolist() == [4, 2, 3]


def test_a_long_text_is_cut_at_the_longest_input_and_says_so(encoder: Encoder) -> None:
    fits, too_long = "apple " * (MAX_TOKENS - 2), "apple " * (MAX_TOKENS - 1)
    encodings = encoder.encode([fits, too_long])
    assert encodings.lengths.tolist() == [MAX_TOKENS, MAX_TOKENS]
    assert encodings.truncated.tolist() == [False, True]


def test_a_text_of_megabytes_is_read_only_at_its_beginning(encoder: Encoder) -> None:
    encodings = encoder.encode(["apple" + " " * READ_CODE_POINTS + "nokia"])
    assert encodings.lengths.tolist() == [3]
    assert encodings.truncated.tolist() == [True]


def test_lone_surrogates_are_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="lone surrogates"):
        encoder.encode(["Apple \ud800"])


def test_no_texts_are_no_tokens(encoder: Encoder) -> None:
    assert list(batches_of(encoder.encode([]))) == []


@settings(deadline=None, max_examples=60)
@given(counts=st.lists(st.integers(0, 300), min_size=1, max_size=120))
def test_every_text_is_in_one_batch_padded_to_the_bucket_of_the_longest(encoder: Encoder, counts: list[int]) -> None:
    encodings = encoder.encode(["apple " * count for count in counts])
    seen: list[int] = []
    for batch in batches_of(encodings):
        rows, length = batch.input_ids.shape
        assert rows <= MAX_ROWS
        assert rows == 1 or rows * length <= MAX_PADDED_TOKENS
        longest = int(batch.encodings.lengths.max())
        assert length == min(bucket for bucket in BUCKETS if bucket >= longest)
        for row, text in enumerate(batch.texts.tolist()):
            tokens = encodings.ids[encodings.splits[text] : encodings.splits[text + 1]]
            assert batch.attention_mask[row].sum() == len(tokens)
            assert batch.input_ids[row, : len(tokens)].tolist() == tokens.tolist()
            assert not batch.input_ids[row, len(tokens) :].any()
        seen += batch.texts.tolist()
    assert sorted(seen) == list(range(len(counts)))


def test_taking_the_padding_away_gives_the_tokens_in_order(encoder: Encoder) -> None:
    (batch,) = batches_of(encoder.encode(["apple soars", "nokia", ""]))
    values = batch.input_ids.astype(np.float32)[:, :, np.newaxis]
    assert batch.real(values)[:, 0].tolist() == batch.encodings.ids.tolist()


def test_a_file_that_adds_no_cls_and_sep_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    from tokenizers import Tokenizer

    from stream_worker.errors import ContractError

    repository = write_stub_repository(tmp_path)
    path = repository / "sentiment" / "1" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    bare = Tokenizer(tokenizer.model)
    bare.save(str(path))
    with pytest.raises(ContractError, match=r"\[CLS\]"):
        Encoder(path, MAX_TOKENS)
