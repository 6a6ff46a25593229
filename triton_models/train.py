"""Fine-tune a model: `python -m triton_models.train sentiment --data DIR --out runs/sentiment`.

A run writes its state every `--save-every` batches; started again with the same arguments it goes on from there.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from stream_worker.errors import FinsentryError
from triton_models.base import base_folder
from triton_models.batches import plan_epoch
from triton_models.calibration import fit_temperature
from triton_models.checkpoints import Checkpoints, Progress, RunSettings
from triton_models.examples import lengths_of, load_tokenizer
from triton_models.network import load_encoder
from triton_models.options import data_option
from triton_models.tasks import TASKS, Examples, Judged, Task, loss_of


@dataclass(slots=True)
class Run:
    """One fine-tuning run in progress."""

    task: Task
    settings: RunSettings
    examples: Examples
    network: nn.Module
    checkpoints: Checkpoints
    save_every: int

    def finish(self) -> None:
        """Train from wherever the run stands to its last epoch."""
        plans = [self._plan(epoch) for epoch in range(self.settings.epochs)]
        optimizer = AdamW(
            self.network.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )
        steps = sum(map(len, plans))
        schedule = LambdaLR(optimizer, lambda step: _rate(step, steps, self.settings.warmup))
        progress = self.checkpoints.resume(self.network, optimizer, schedule)
        while progress.epoch < self.settings.epochs:
            self._train_epoch(plans[progress.epoch], progress, optimizer, schedule)
            self._validate(progress)
            progress.epoch, progress.step = progress.epoch + 1, 0
            self.checkpoints.save(progress, self.network, optimizer, schedule)

    def _plan(self, epoch: int) -> list[list[int]]:
        examples = self.examples.train
        seed = f"{self.settings.seed}/{epoch}"
        sources = [example.source for example in examples]
        return plan_epoch(lengths_of(examples), sources, self.examples.rates, self.settings.batch_size, seed)

    def _train_epoch(self, plan: list[list[int]], progress: Progress, optimizer: AdamW, schedule: LambdaLR) -> None:
        self.network.train()
        began, first, total = time.monotonic(), progress.step, 0.0
        for step in range(first, len(plan)):
            batch = [self.examples.train[index] for index in plan[step]]
            with torch.autocast("cpu", torch.bfloat16):
                judged = self.task.judge(self.network, batch)
            loss = loss_of(judged, self.settings.smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            progress.step, total = step + 1, total + loss.item()
            if progress.step % 50 == 0:
                pace = (time.monotonic() - began) / (progress.step - first)
                left = (len(plan) - progress.step) * pace
                mean = total / (progress.step - first)
                say(f"epoch {progress.epoch + 1} batch {progress.step}/{len(plan)} loss {mean:.4f} left {left:.0f} s")
            if progress.step % self.save_every == 0:
                self.checkpoints.save(progress, self.network, optimizer, schedule)

    def _validate(self, progress: Progress) -> None:
        judged = judge_all(self.task, self.network, self.examples.validation)
        figures = self.task.score(judged, self.examples.validation)
        temperatures = {head: fit_temperature(*values) for head, values in judged.items()}
        say(f"epoch {progress.epoch + 1} validation {json.dumps(figures)} temperatures {json.dumps(temperatures)}")
        if figures["score"] > progress.best_score:
            progress.best_score = figures["score"]
            self.checkpoints.keep(self.network, temperatures, {**figures, "epoch": progress.epoch + 1})


def judge_all(task: Task, network: nn.Module, examples: Any, batch_size: int = 64) -> dict[str, Judged]:
    """Logits and labels of each head over all examples, in their order."""
    network.eval()
    with torch.inference_mode():
        parts = [
            task.judge(network, examples[first : first + batch_size]) for first in range(0, len(examples), batch_size)
        ]
    heads = {head for part in parts for head in part}
    return {
        head: tuple(torch.cat(column) for column in zip(*(part[head] for part in parts if head in part), strict=True))
        for head in sorted(heads)
    }


def _rate(step: int, steps: int, warmup: float) -> float:
    rising = max(1, int(steps * warmup))
    return min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))


def say(line: str) -> None:
    """One line of progress, at once."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


@click.command()
@click.argument("task_name", metavar="MODEL", type=click.Choice(sorted(TASKS)))
@data_option
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder.  [default: runs/MODEL]")
@click.option("--base", help="Folder of the pre-trained encoder.  [default: MiniLM-L6-v2]")
@click.option("--seed", default=13, show_default=True)
@click.option("--epochs", default=4, show_default=True, type=click.IntRange(1))
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1))
@click.option("--learning-rate", default=1e-4, show_default=True)
@click.option("--warmup", default=0.1, show_default=True, help="Share of all steps in which the rate rises.")
@click.option("--weight-decay", default=0.01, show_default=True)
@click.option("--smoothing", default=0.05, show_default=True, help="Label smoothing.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(1))
@click.option("--save-every", default=200, show_default=True, type=click.IntRange(1), help="Batches between states.")
def main(
    task_name: str, data: Path, out: Path | None, base: str | None, threads: int, save_every: int, **chosen: Any
) -> None:
    """Fine-tune MODEL from a pre-trained encoder."""
    torch.set_num_threads(threads)
    task = TASKS[task_name]
    try:
        folder, base_name = base_folder(base)
        examples = task.examples(data, load_tokenizer(folder))
        digests = {name: hashlib.sha256((data / name).read_bytes()).hexdigest() for name in task.files}
        settings = RunSettings(task=task_name, base=base_name, data=digests, **chosen)
        torch.manual_seed(settings.seed)
        encoder = load_encoder(folder)
        network = task.network(encoder, encoder.config.hidden_size)
        say(f"{task_name}: {len(examples.train)} rows to learn from, {len(examples.validation)} to validate on")
        checkpoints = Checkpoints(out or Path("runs") / task_name, settings)
        Run(task, settings, examples, network, checkpoints, save_every).finish()
    except FinsentryError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
