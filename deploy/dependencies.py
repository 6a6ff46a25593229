"""Print what pyproject.toml depends on, with the extras given as arguments: for layers that code does not change."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = [requirement for extra in sys.argv[1:] for requirement in project["optional-dependencies"][extra]]
sys.stdout.write("".join(f"{requirement}\n" for requirement in [*project["dependencies"], *extras]))
