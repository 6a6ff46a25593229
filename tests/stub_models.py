"""A complete, tiny model repository: the contract of the real one, a forward pass of microseconds, known answers.

`write_stub_repository(path)` writes it with the `onnx` library alone (no torch). What the models answer:

- Sentiment: a word of `POSITIVE` is positive, one of `NEGATIVE` is negative, everything else is slightly neutral. A
  token takes half of each neighbour's logits, so that in "Apple soars as Nokia plunges" the mention Apple is positive
  and the mention Nokia negative. The document is the mean over its tokens: the majority of its coloured words decides.
- Entities: the words of `NAMES` carry their tag wherever they stand ("Goldman Sachs" is B-ORG I-ORG), all others are O.

Words outside the vocabulary fall apart into single characters (ASCII) or become [UNK]: slightly neutral and O.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

SENTIMENT_LABELS = ("negative", "neutral", "positive")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")

POSITIVE = (
    "soars", "soar", "beats", "beat", "surges", "surge", "gains", "gain", "rises", "rise", "rallies", "wins", "record",
    "upgrade", "upgraded", "strong", "profit", "growth", "jumps", "good",
)  # fmt: skip
NEGATIVE = (
    "plunges", "plunge", "misses", "miss", "cuts", "cut", "falls", "fall", "drops", "slumps", "loses", "loss", "losses",
    "bankruptcy", "downgrade", "downgraded", "weak", "fraud", "warns", "bad",
)  # fmt: skip
NEUTRAL = (
    "the", "a", "an", "as", "and", "of", "to", "in", "on", "at", "for", "with", "by", "from", "says", "said", "its",
    "shares", "stock", "stocks", "market", "markets", "quarter", "outlook", "bank", "company", "update", "news",
    "after", "before", "new", "chief", "executive", "reports", "files", "results", "oil", "gold", "dollar", "index",
    "will", "is",
)  # fmt: skip
NAMES = {
    "jane": "B-PER", "doe": "I-PER", "warren": "B-PER", "buffett": "I-PER",
    "london": "B-LOC", "hong": "B-LOC", "kong": "I-LOC", "china": "B-LOC", "germany": "B-LOC",
    "apple": "B-ORG", "nokia": "B-ORG", "microsoft": "B-ORG", "tesla": "B-ORG", "amazon": "B-ORG", "boeing": "B-ORG",
    "intel": "B-ORG", "ford": "B-ORG", "citigroup": "B-ORG", "lehman": "B-ORG", "brothers": "I-ORG",
    "goldman": "B-ORG", "sachs": "I-ORG", "exxon": "B-ORG", "mobil": "I-ORG", "reuters": "B-ORG",
}  # fmt: skip

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_CHARACTERS = tuple(chr(code) for code in range(33, 127) if not chr(code).isupper())
_SUFFIXES = tuple(f"##{character}" for character in _CHARACTERS if character.isalnum())
VOCABULARY = tuple(dict.fromkeys((*_SPECIAL, *_CHARACTERS, *_SUFFIXES, *POSITIVE, *NEGATIVE, *NEUTRAL, *NAMES)))

_MAX_TOKENS = 256
_COLOURED_LOGIT = 12.0
_NEUTRAL_LOGIT = 0.25
_NEIGHBOUR_SHARE = 0.5
_TAG_LOGIT = 8.0
_NOISE = 0.01


def write_stub_repository(path: Path, seed: int = 0) -> Path:
    """Write the models `sentiment` and `entities`, version 1, under `path` and return it.

    The same seed writes the same bytes. Another seed moves every logit by about 0.01: another model version whose
    answers to clear cases are the same.
    """
    tokenizer = stub_tokenizer().to_str(pretty=True).encode()
    write_model(path / "sentiment", sentiment_graph(seed), tokenizer, SENTIMENT_LABELS, seed)
    write_model(path / "entities", entities_graph(seed), tokenizer, TAGS, seed)
    return path


def sentiment_graph(seed: int = 0) -> onnx.ModelProto:
    """input_ids, attention_mask → document_logits [batch, 3], token_logits [batch, tokens, 3]."""
    table = _noise(seed, 3)
    table[:, 1] += _NEUTRAL_LOGIT
    for words, row in ((POSITIVE, (-1.0, 0.0, 1.0)), (NEGATIVE, (1.0, 0.0, -1.0))):
        table[[VOCABULARY.index(word) for word in words]] = np.multiply(row, _COLOURED_LOGIT, dtype=np.float32)
    kernel = np.einsum("oi,k->oik", np.eye(3), (_NEIGHBOUR_SHARE, 1.0, _NEIGHBOUR_SHARE)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["own"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last_axis"], ["column_mask"]),
        helper.make_node("Mul", ["own", "column_mask"], ["masked"]),
        helper.make_node("Transpose", ["masked"], ["by_class"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["by_class", "kernel"], ["spread"], pads=[1, 1]),
        helper.make_node("Transpose", ["spread"], ["token_logits"], perm=[0, 2, 1]),
        helper.make_node("ReduceSum", ["masked", "token_axis"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "token_axis"], ["count"], keepdims=1),
        helper.make_node("Div", ["total", "count"], ["document_logits"]),
    ]
    constants: dict[str, NDArray[Any]] = {
        "table": table,
        "kernel": kernel,
        "last_axis": np.array([2], dtype=np.int64),
        "token_axis": np.array([1], dtype=np.int64),
    }
    return _graph(nodes, constants, {"document_logits": ("batch", 3), "token_logits": ("batch", "tokens", 3)})


def entities_graph(seed: int = 0) -> onnx.ModelProto:
    """input_ids, attention_mask → tag_logits [batch, tokens, 7]."""
    table = _noise(seed, len(TAGS))
    tags = [TAGS.index(NAMES.get(word, "O")) for word in VOCABULARY]
    table[np.arange(len(VOCABULARY)), tags] += np.float32(_TAG_LOGIT)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["own"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last_axis"], ["column_mask"]),
        helper.make_node("Mul", ["own", "column_mask"], ["tag_logits"]),
    ]
    constants: dict[str, NDArray[Any]] = {"table": table, "last_axis": np.array([2], dtype=np.int64)}
    return _graph(nodes, constants, {"tag_logits": ("batch", "tokens", len(TAGS))})


def _noise(seed: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.0, _NOISE, (len(VOCABULARY), width)).astype(np.float32)


def _graph(
    nodes: list[onnx.NodeProto],
    constants: dict[str, NDArray[Any]],
    outputs: dict[str, tuple[str | int, ...]],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "stub",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def stub_tokenizer() -> Tokenizer:
    vocabulary = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.decoder = WordPieceDecoder()
    return tokenizer


def write_model(folder: Path, graph: onnx.ModelProto, tokenizer: bytes, labels: tuple[str, ...], seed: int) -> None:
    """Write one model's version 1 and configurations, with the digests of these weights: for models of a test's own."""
    version = folder / "1"
    version.mkdir(parents=True, exist_ok=True)
    (folder / "configs").mkdir(exist_ok=True)
    weights = graph.SerializeToString(deterministic=True)
    outputs = {
        value.name: [size.dim_value or -1 for size in value.type.tensor_type.shape.dim] for value in graph.graph.output
    }
    manifest = _manifest(folder.name, labels, tuple(outputs), weights, tokenizer, seed)
    (version / "model.onnx").write_bytes(weights)
    (version / "tokenizer.json").write_bytes(tokenizer)
    (version / "manifest.json").write_bytes(manifest)
    (folder / "config.pbtxt").write_text(_config(folder.name, 'platform: "tensorrt_plan"', outputs, manifest))
    (folder / "configs" / "cpu.pbtxt").write_text(_config(folder.name, 'backend: "onnxruntime"', outputs, manifest))


def _manifest(
    model: str, labels: tuple[str, ...], outputs: tuple[str, ...], weights: bytes, tokenizer: bytes, seed: int
) -> bytes:
    manifest = {
        "model": model,
        "version": 1,
        "labels": list(labels),
        "inputs": {"input_ids": "int64", "attention_mask": "int64"},
        "outputs": dict.fromkeys(outputs, "float32"),
        "max_tokens": _MAX_TOKENS,
        "lowercase": True,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "tokenizer_sha256": hashlib.sha256(tokenizer).hexdigest(),
        "base": "stub",
        "seed": seed,
        "data": {},
        "temperature": {},
        "figures": {},
        "licence": "Apache-2.0",
    }
    return json.dumps(manifest, indent=2).encode()


def _config(model: str, served_by: str, outputs: dict[str, list[int]], manifest: bytes) -> str:
    """Triton's model configuration; its parameters carry the contract, and the CPU backend's thread count."""
    tensors = "\n".join(
        f'output [{{ name: "{name}" data_type: TYPE_FP32 dims: {shape[1:]} }}]' for name, shape in outputs.items()
    )
    return f"""\
name: "{model}"
{served_by}
max_batch_size: 32
input [{{ name: "input_ids" data_type: TYPE_INT64 dims: [-1] }}]
input [{{ name: "attention_mask" data_type: TYPE_INT64 dims: [-1] }}]
{tensors}
instance_group [{{ count: 1 kind: KIND_CPU }}]
parameters [{{ key: "manifest_sha256.1" value {{ string_value: "{hashlib.sha256(manifest).hexdigest()}" }} }}]
parameters [{{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}]
"""
