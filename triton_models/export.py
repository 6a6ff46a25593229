"""Export a trained model to the repository: `python -m triton_models.export runs/sentiment`.

The file is refused when its graph computes other probabilities than the network that was trained, when int8 storage
moves them too far, or when a text's probabilities depend on its batch or padding.
"""

import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

from stream_worker.errors import ConfigurationError, FinsentryError
from triton_models.agreement import (
    LIMIT_BY_BATCH,
    Forward,
    OnnxModel,
    batch_variance,
    largest_difference,
    mean_difference,
    probabilities,
)
from triton_models.base import base_folder
from triton_models.checkpoints import load_best
from triton_models.examples import MAX_TOKENS, load_tokenizer
from triton_models.graph import shrink
from triton_models.network import load_encoder
from triton_models.options import data_option, repository_option
from triton_models.served import served
from triton_models.serving import LARGEST_FILE, MODELS, VERSION, Provenance, write_model
from triton_models.tasks import TASKS

#: What an exported file may be at most; differences are of probabilities, on validation texts.
LIMITS = {
    "bytes": LARGEST_FILE,
    "largest_difference_by_form": 1e-4,
    "mean_difference_by_int8": 0.01,
    "largest_difference_by_batch": LIMIT_BY_BATCH,
}

_SAMPLES = 256


def export_run(run: Path, repository: Path, data: Path, base: str | None) -> dict[str, float]:
    """Write the best weights of a run to the repository. Returns the sizes and differences that were checked.

    Raises ConfigurationError when there is nothing to export or the result does not hold.
    """
    best = load_best(run)
    name = best["settings"]["task"]
    folder, _ = base_folder(base)
    tokenizer = load_tokenizer(folder)
    network = _restore(name, folder, best)
    target = repository / name / str(VERSION)
    target.mkdir(parents=True, exist_ok=True)
    trained = target / "trained.onnx.partial"
    try:
        to_onnx(network, name, trained)
        onnx.save(shrink(onnx.load(trained)), target / "model.onnx")
        rows = _samples(name, data, tokenizer)
        checked = _check(network, trained, target / "model.onnx", rows)
    finally:
        trained.unlink(missing_ok=True)
    tokenizer.no_truncation()
    tokenizer.save(str(target / "tokenizer.json"))
    write_model(repository, MODELS[name], _provenance(best), {"validation": best["figures"], "export": checked})
    return checked


def to_onnx(network: nn.Module, name: str, path: Path) -> None:
    """Write a network with fp32 weights, batch and tokens of any size."""
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens", max=MAX_TOKENS)
    ids = torch.full((3, 17), 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served(network, MAX_TOKENS),
            (ids, torch.ones_like(ids)),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=list(MODELS[name].outputs),
            opset_version=18,
            dynamic_shapes=({0: batch, 1: tokens}, {0: batch, 1: tokens}),
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _restore(name: str, folder: Path, best: dict[str, Any]) -> nn.Module:
    encoder = load_encoder(folder)
    network = TASKS[name].network(encoder, encoder.config.hidden_size)
    network.load_state_dict(best["network"])
    network.calibrate(best["temperatures"])
    return network.eval()


def _samples(name: str, data: Path, tokenizer: Tokenizer) -> list[list[int]]:
    examples = TASKS[name].examples(data, tokenizer).validation
    return [example.input_ids for example in examples[:: max(1, len(examples) // _SAMPLES)]]


def _check(network: nn.Module, trained: Path, stored: Path, rows: list[list[int]]) -> dict[str, float]:
    model = OnnxModel(stored)
    before, after = OnnxModel(trained).probabilities(rows), model.probabilities(rows)
    checked = {
        "bytes": stored.stat().st_size,
        "largest_difference_by_form": largest_difference(probabilities(_forward(network), rows), before),
        "mean_difference_by_int8": mean_difference(before, after),
        "largest_difference_by_int8": largest_difference(before, after),
        "largest_difference_by_batch": batch_variance(model, rows),
    }
    passed = [checked[name] <= most for name, most in LIMITS.items()]
    if not all(passed):
        limits = ", ".join(f"{name} {checked[name]:.3g} (at most {most:g})" for name, most in LIMITS.items())
        raise ConfigurationError(f"{stored} does not hold: {limits}.")
    return checked


def _forward(network: nn.Module) -> Forward:
    def forward(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        with torch.no_grad():
            outputs = network(torch.from_numpy(ids), torch.from_numpy(mask))
        return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]

    return forward


def _provenance(best: dict[str, Any]) -> Provenance:
    settings = best["settings"]
    kept = ("epochs", "batch_size", "learning_rate", "warmup", "weight_decay", "smoothing")
    training = {name: settings[name] for name in kept}
    return Provenance(settings["base"], settings["seed"], settings["data"], best["temperatures"], training)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@data_option
@repository_option
@click.option("--base", help="Folder of the pre-trained encoder.  [default: MiniLM-L6-v2]")
def main(run: Path, data: Path, repository: Path, base: str | None) -> None:
    """Write the best weights of RUN, with manifest, tokenizer and Triton configurations."""
    try:
        checked = export_run(run, repository, data, base)
    except FinsentryError as error:
        raise click.ClickException(str(error)) from None
    for name, value in checked.items():
        print(f"{name} {value:.6g}")


if __name__ == "__main__":
    main()
