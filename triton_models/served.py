"""The networks as they are served: the same function of the same weights, written for a small and fast graph.

Query, key and value are one product, the attention's scale sits in the query's weights, and the embedding of token
type zero in the positions. Padding takes part in the attention alone (which masks it): all else, nearly all of the
work, is done for the real tokens of a batch in one row, as in ByteTransformer (Zhai et al. 2023).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, layer_norm

from triton_models.network import EntityNetwork, SentimentNetwork


class ServedEncoder(nn.Module):
    """A BERT encoder (post-norm, exact GELU) of at most `max_tokens` tokens, without dropout."""

    def __init__(self, encoder: nn.Module, max_tokens: int) -> None:
        super().__init__()
        embeddings, types = encoder.embeddings, encoder.embeddings.token_type_embeddings.weight
        self.words = _parameter(embeddings.word_embeddings.weight)
        self.positions = _parameter(embeddings.position_embeddings.weight[:max_tokens] + types[0])
        self.norm = embeddings.LayerNorm
        self.layers = nn.ModuleList(ServedLayer(layer, encoder.config) for layer in encoder.encoder.layer)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states = embedding(input_ids, self.words) + self.positions[: input_ids.shape[1]]
        states = _normalised(self.norm, states)
        mask = (attention_mask.to(states.dtype)[:, None, None, :] - 1.0) * 10_000.0
        flat = attention_mask.flatten()
        real = flat.nonzero().squeeze(1)
        # Where each token of the rectangle stands among the real ones; padding stands for one of its neighbours.
        slots = (flat.cumsum(0) - 1).clamp(min=0)
        states = states.flatten(0, 1).index_select(0, real)
        for layer in self.layers:
            states = layer(states, mask, real, slots)
        return states.index_select(0, slots).unflatten(0, input_ids.shape)


class ServedLayer(nn.Module):
    """Self-attention and feed-forward, each added to its input and normalised, on the states [real tokens, width]."""

    def __init__(self, layer: nn.Module, config: Any) -> None:
        super().__init__()
        attention, output = layer.attention.self, layer.attention.output
        self.heads = config.num_attention_heads
        scale = math.sqrt(attention.query.weight.shape[0] / self.heads)
        parts = [attention.query, attention.key, attention.value]
        divisors = [scale, 1.0, 1.0]
        self.inputs = _parameter(torch.cat([part.weight / by for part, by in zip(parts, divisors, strict=True)]).T)
        self.inputs_bias = _parameter(torch.cat([part.bias / by for part, by in zip(parts, divisors, strict=True)]))
        self.mix, self.mix_bias = _transposed(output.dense)
        self.mix_norm = output.LayerNorm
        self.widen, self.widen_bias = _transposed(layer.intermediate.dense)
        self.narrow, self.narrow_bias = _transposed(layer.output.dense)
        self.narrow_norm = layer.output.LayerNorm

    def forward(self, states: Tensor, mask: Tensor, real: Tensor, slots: Tensor) -> Tensor:
        attended = self._attend(states, mask, real, slots) @ self.mix + self.mix_bias
        states = _normalised(self.mix_norm, attended + states)
        wide = states @ self.widen + self.widen_bias
        wide = wide * 0.5 * (1.0 + torch.erf(wide / math.sqrt(2.0)))
        return _normalised(self.narrow_norm, wide @ self.narrow + self.narrow_bias + states)

    def _attend(self, states: Tensor, mask: Tensor, real: Tensor, slots: Tensor) -> Tensor:
        """The only part for which texts are rectangles: `mask` is [batch, 1, 1, tokens]."""
        batch, tokens, width = mask.shape[0], mask.shape[3], states.shape[1]
        joint = (states @ self.inputs + self.inputs_bias).index_select(0, slots)
        query, key, value = (
            part.reshape(batch, tokens, self.heads, width // self.heads) for part in joint.split(width, dim=1)
        )
        scores = query.transpose(1, 2) @ key.permute(0, 2, 3, 1) + mask
        mixed = torch.softmax(scores, dim=-1) @ value.transpose(1, 2)
        return mixed.transpose(1, 2).reshape(batch * tokens, width).index_select(0, real)


def served(network: nn.Module, max_tokens: int) -> nn.Module:
    """The network, with its heads as they are and its encoder replaced by a ServedEncoder, ready to export."""
    twin: nn.Module
    encoder = ServedEncoder(network.encoder, max_tokens)
    if isinstance(network, SentimentNetwork):
        twin = ServedSentiment(encoder, network)
    elif isinstance(network, EntityNetwork):
        twin = ServedEntities(encoder, network)
    else:
        raise TypeError(f"no served form of {type(network).__name__}")
    return twin.eval()


class ServedSentiment(nn.Module):
    """`SentimentNetwork` on a ServedEncoder."""

    def __init__(self, encoder: ServedEncoder, network: SentimentNetwork) -> None:
        super().__init__()
        self.encoder, self.document, self.token, self.context = (
            encoder,
            network.document,
            network.token,
            network.context,
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        states = self.encoder(input_ids, attention_mask)
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        return self.document(mean), self.token(states) + self.context(mean).unsqueeze(1)


class ServedEntities(nn.Module):
    """`EntityNetwork` on a ServedEncoder."""

    def __init__(self, encoder: ServedEncoder, network: EntityNetwork) -> None:
        super().__init__()
        self.encoder, self.tag = encoder, network.tag

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.tag(self.encoder(input_ids, attention_mask))
        return logits


def _parameter(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.detach().clone().contiguous(), requires_grad=False)


def _transposed(linear: nn.Linear) -> tuple[nn.Parameter, nn.Parameter]:
    return _parameter(linear.weight.T), _parameter(linear.bias)


def _normalised(norm: nn.LayerNorm, states: Tensor) -> Tensor:
    return layer_norm(states, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
