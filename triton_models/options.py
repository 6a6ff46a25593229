"""Options that the training commands share."""

from pathlib import Path

import click

data_option = click.option(
    "--data", envvar="FINSENTRY_DATA", required=True, type=click.Path(path_type=Path), help="Data folder."
)
repository_option = click.option(
    "--repository",
    default=Path(__file__).parent / "repository",
    type=click.Path(path_type=Path),
    help="Triton model repository.  [default: the committed one]",
)
