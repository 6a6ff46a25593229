"""The jars of Apache Kafka, fetched once."""

import json
import logging
import sys
from pathlib import Path

from stream_worker.errors import MissingProgramError
from stream_worker.local.platform import require_package
from stream_worker.local.private_file import write_private
from stream_worker.local.server import Progress

# The broker's POM brings no SLF4J provider (KAFKA-18466); Kafka 4.1 uses slf4j-api 1.7.36.
_COORDINATES = "org.apache.kafka:kafka_2.13:4.1.1+org.slf4j:slf4j-simple:1.7.36"


def class_path(progress: Progress) -> str:
    """The Java class path of the broker, resolved by jgo on first use and remembered beside this Python.

    Raises MissingProgramError when the jars cannot be fetched.
    """
    remembered = Path(sys.prefix) / "kafka" / "class-path.json"
    jars = _remembered_jars(remembered)
    if not jars:
        require_package("jgo", "jgo")
        progress("fetching Apache Kafka's jars (45 MB, once)")
        jars = _resolve()
        remembered.parent.mkdir(parents=True, exist_ok=True)
        write_private(remembered, json.dumps({"coordinates": _COORDINATES, "jars": jars}, indent=1))
    return ":".join(jars)


def _remembered_jars(path: Path) -> list[str]:
    try:
        remembered = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    jars: list[str] = remembered.get("jars", [])
    if remembered.get("coordinates") != _COORDINATES or not all(Path(jar).is_file() for jar in jars):
        return []
    return jars


def _resolve() -> list[str]:
    import jgo

    logging.getLogger("jgo").setLevel(logging.ERROR)
    try:
        # Not `classpath`: jgo puts half of the jars on its module path.
        return [str(jar) for jar in jgo.build(_COORDINATES).all_jars]
    except Exception as error:  # jgo raises whatever its HTTP and XML libraries raise
        raise MissingProgramError(
            f"Apache Kafka's jars cannot be fetched from Maven Central ({error}): check the network and try again, set "
            "FINSENTRY_KAFKA_BOOTSTRAP to a broker of your own, or try `finsentry up --kafka mock`."
        ) from error
