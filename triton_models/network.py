"""The two networks: one pre-trained encoder each, and linear heads on its token states."""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel


def load_encoder(folder: Path) -> nn.Module:
    """A BERT-like encoder with its pre-trained weights, without the pooler that nothing here reads."""
    encoder: nn.Module = AutoModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32)
    return encoder


class SentimentNetwork(nn.Module):
    """Token ids and mask [batch, tokens] → document logits [batch, 3] and token logits [batch, tokens, 3].

    The sentiment about a span is the mean of its tokens' logits. Each token's logits read its own state and the mean
    state of the text; both are linear, so the mean over a span equals the head applied to the span's mean state.
    """

    def __init__(self, encoder: nn.Module, width: int, labels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.document = nn.Linear(width, labels)
        self.token = nn.Linear(width, labels)
        self.context = nn.Linear(width, labels, bias=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        mean = self.dropout(mean)
        return self.document(mean), self.token(self.dropout(states)) + self.context(mean).unsqueeze(1)

    def calibrate(self, temperatures: dict[str, float]) -> None:
        """Divide the logits by temperatures ("document", "target") once and for all, in the heads' weights."""
        _divide(temperatures["document"], self.document)
        _divide(temperatures["target"], self.token, self.context)


class EntityNetwork(nn.Module):
    """Token ids and mask [batch, tokens] → BIO tag logits [batch, tokens, tags]."""

    def __init__(self, encoder: nn.Module, width: int, tags: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.tag = nn.Linear(width, tags)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits: Tensor = self.tag(self.dropout(states))
        return logits

    def calibrate(self, temperatures: dict[str, float]) -> None:
        """Divide the logits by the temperature "tag" once and for all, in the head's weights."""
        _divide(temperatures["tag"], self.tag)


def _divide(temperature: float, *heads: nn.Linear) -> None:
    with torch.no_grad():
        for head in heads:
            for parameter in head.parameters():
                parameter.div_(temperature)
