"""Which examples an epoch sees, and in which batches: seeded, so that a run taken up again goes on where it was."""

import random
from collections.abc import Mapping, Sequence


def plan_epoch(
    lengths: Sequence[int], sources: Sequence[str], rates: Mapping[str, float], batch_size: int, seed: str
) -> list[list[int]]:
    """Batches of example indices, alike in length within a batch and in random order.

    An example of a source with rate 2.25 is drawn twice, and a third time with probability 0.25; sources that `rates`
    does not name are drawn once.
    """
    order = random.Random(seed)
    drawn = [
        index for index, source in enumerate(sources) for _ in range(_copies(rates.get(source, 1.0), order.random()))
    ]
    order.shuffle(drawn)
    # Sorting within large random blocks keeps padding low without showing the same neighbours every epoch.
    block = batch_size * 32
    batches = []
    for start in range(0, len(drawn), block):
        alike = sorted(drawn[start : start + block], key=lambda index: lengths[index])
        batches += [alike[first : first + batch_size] for first in range(0, len(alike), batch_size)]
    order.shuffle(batches)
    return batches


def _copies(rate: float, chance: float) -> int:
    whole = int(rate)
    return whole + (chance < rate - whole)
