"""What each model learns: its examples, its losses, and how its validation is scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stream_worker.domain.sentiment import LABELS
from triton_models.alignment import IGNORED
from triton_models.datasets import TAGS, read_documents, read_tagged_sentences, read_targeted_texts
from triton_models.examples import (
    EntityExample,
    SentimentExample,
    encode_document,
    encode_sentence,
    encode_targeted_text,
    is_held_out,
)
from triton_models.metrics import accuracy, bio_spans, macro_f1, strict_f1
from triton_models.network import EntityNetwork, SentimentNetwork

#: Logits [n, classes] and labels [n] of one head.
Judged = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Examples:
    """Training examples with how often an epoch draws each source, and validation examples."""

    train: Sequence[Any]
    validation: Sequence[Any]
    rates: Mapping[str, float] = field(default_factory=dict)


class Task(Protocol):
    """One model: its data files, examples, network and heads."""

    @property
    def name(self) -> str: ...

    @property
    def files(self) -> tuple[str, ...]: ...

    def examples(self, data: Path, tokenizer: Tokenizer) -> Examples:
        """Read and encode the data. Raises DataError."""

    def network(self, encoder: nn.Module, width: int) -> nn.Module:
        """A network with fresh heads."""

    def judge(self, network: nn.Module, batch: Sequence[Any]) -> dict[str, Judged]:
        """Logits and labels of each head over a batch; heads that the batch has no labels for are left out."""

    def score(self, judged: Mapping[str, Judged], examples: Sequence[Any]) -> dict[str, float]:
        """Validation figures; "score" is the one that decides which epoch is kept."""


def loss_of(judged: Mapping[str, Judged], smoothing: float) -> Tensor:
    """Sum over heads of the cross entropy per label."""
    losses = [
        cross_entropy(logits.float(), labels, ignore_index=IGNORED, label_smoothing=smoothing)
        for logits, labels in judged.values()
    ]
    return torch.stack(losses).sum()


class SentimentTask:
    """Document head on PhraseBank and Twitter news; token head, averaged over spans, on SEntFiN and FiQA."""

    name = "sentiment"
    files = ("sentiment/train.jsonl", "targets/train.jsonl")
    #: StockEmotions has no neutral class: its labels would teach the document head to doubt neutral texts.
    rates: Mapping[str, float] = {"stockemotions": 0.0}
    held_out = 0.08

    def examples(self, data: Path, tokenizer: Tokenizer) -> Examples:
        documents, targeted = read_documents(data / self.files[0]), read_targeted_texts(data / self.files[1])
        train: list[SentimentExample] = []
        validation: list[SentimentExample] = []
        for document in documents:
            if self.rates.get(document.source, 1.0):
                held_out = is_held_out(document.group, self.held_out)
                (validation if held_out else train).append(encode_document(tokenizer, document))
        for text in targeted:
            example = encode_targeted_text(tokenizer, text)
            if example.targets:
                (validation if is_held_out(text.group, self.held_out) else train).append(example)
        return Examples(train, validation, self.rates)

    def network(self, encoder: nn.Module, width: int) -> nn.Module:
        return SentimentNetwork(encoder, width, len(LABELS))

    def judge(self, network: nn.Module, batch: Sequence[SentimentExample]) -> dict[str, Judged]:
        input_ids, mask = pad(batch)
        document, token = network(input_ids, mask)
        judged: dict[str, Judged] = {}
        labelled = [row for row, example in enumerate(batch) if example.label != IGNORED]
        if labelled:
            judged["document"] = document[labelled], torch.tensor([batch[row].label for row in labelled])
        targets = [(row, target) for row, example in enumerate(batch) for target in example.targets]
        if targets:
            means = [token[row, target.first : target.end].mean(dim=0) for row, target in targets]
            judged["target"] = torch.stack(means), torch.tensor([target.label for _, target in targets])
        return judged

    def score(self, judged: Mapping[str, Judged], examples: Sequence[SentimentExample]) -> dict[str, float]:
        predicted = {head: logits.argmax(dim=1).tolist() for head, (logits, _) in judged.items()}
        expected = {head: labels.tolist() for head, (_, labels) in judged.items()}
        sources = [example.source for example in examples if example.label != IGNORED]
        figures = {
            source: accuracy(*_where(sources, source, expected["document"], predicted["document"]))
            for source in sorted(set(sources))
        }
        figures["documents_macro_f1"] = macro_f1(expected["document"], predicted["document"])
        figures["targets"] = accuracy(expected["target"], predicted["target"])
        accuracies = [value for name, value in figures.items() if name != "documents_macro_f1"]
        return {**figures, "score": sum(accuracies) / len(accuracies)}


class EntityTask:
    """BIO tags at the first piece of each word, on FiNER-ORD and a share of tweets and encyclopedia sentences."""

    name = "entities"
    files = ("entities/train.jsonl", "entities/validation.jsonl")
    rates: Mapping[str, float] = {"finer_ord": 2.0, "wikigold": 1.0, "wnut17": 0.25, "broad_twitter_corpus": 0.25}

    def examples(self, data: Path, tokenizer: Tokenizer) -> Examples:
        train, validation = (
            [encode_sentence(tokenizer, row) for row in read_tagged_sentences(data / name)] for name in self.files
        )
        return Examples(train, validation, self.rates)

    def network(self, encoder: nn.Module, width: int) -> nn.Module:
        return EntityNetwork(encoder, width, len(TAGS))

    def judge(self, network: nn.Module, batch: Sequence[EntityExample]) -> dict[str, Judged]:
        input_ids, mask = pad(batch)
        logits = network(input_ids, mask)
        labels = _padded([example.tags for example in batch], IGNORED)
        kept = labels != IGNORED
        return {"tag": (logits[kept], labels[kept])}

    def score(self, judged: Mapping[str, Judged], examples: Sequence[EntityExample]) -> dict[str, float]:
        logits, labels = judged["tag"]
        words = [sum(tag != IGNORED for tag in example.tags) for example in examples]
        expected, predicted = (
            [bio_spans([TAGS[tag] for tag in part.tolist()]) for part in tags.split(words)]
            for tags in (labels, logits.argmax(dim=1))
        )
        f1 = strict_f1(expected, predicted)
        return {"word_accuracy": accuracy(labels.tolist(), logits.argmax(dim=1).tolist()), "strict_f1": f1, "score": f1}


TASKS: Mapping[str, Task] = {"sentiment": SentimentTask(), "entities": EntityTask()}


def pad(batch: Sequence[SentimentExample] | Sequence[EntityExample]) -> tuple[Tensor, Tensor]:
    """Token ids and mask [batch, longest]."""
    ids = [example.input_ids for example in batch]
    return _padded(ids, 0), _padded([[1] * len(row) for row in ids], 0)


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def _where(sources: Sequence[str], source: str, *columns: Sequence[int]) -> tuple[list[int], ...]:
    kept = [index for index, name in enumerate(sources) if name == source]
    return tuple([column[index] for index in kept] for column in columns)
