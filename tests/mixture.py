"""Writes the mixture that proves that nothing is lost and nothing counted twice:

    python -m tests.mixture STREAM OUTPUT.jsonl

OUTPUT.jsonl is for `finsentry replay`; OUTPUT.counts.json beside it says what receipts and documents must be there
afterwards. STREAM holds distinct documents with titles, as JSON Lines (.gz too).
"""

import hashlib
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from stream_worker.ingest.lines import LinesOfFiles
from stream_worker.ingest.mixture import Counts, mix
from stream_worker.ingest.topics import MAX_MESSAGE_BYTES


def write_mixture(stream: Path, output: Path, seed: int) -> Counts:
    """Write the mixture and, beside it, its counts."""
    originals = [line.value for line in LinesOfFiles([stream], MAX_MESSAGE_BYTES) if line.value is not None]
    lines, counts = mix(originals, seed)
    content = b"".join(line + b"\n" for line in lines)
    report = {"seed": seed, "stream": stream.name, "sha256": hashlib.sha256(content).hexdigest(), **asdict(counts)}
    output.with_suffix(".counts.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    output.write_bytes(content)
    return counts


@click.command()
@click.argument("stream", type=click.Path(path_type=Path, exists=True))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--seed", default=20260304, show_default=True, help="The same seed makes the same mixture.")
def main(stream: Path, output: Path, seed: int) -> None:
    """Mix the documents of STREAM with repeats, corrections and junk; print what must become of them."""
    click.echo(orjson.dumps(asdict(write_mixture(stream, output, seed))))


if __name__ == "__main__":
    main()
