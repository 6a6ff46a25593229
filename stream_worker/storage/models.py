"""Which models have scored here."""

import json

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from stream_worker.settings import Settings
from stream_worker.storage.schema import model_versions


async def record_models(engine: AsyncEngine, model_version: str, settings: Settings) -> None:
    """Keep the manifests of what scores from now on, so that every score can be traced after the files are gone."""
    manifests = {}
    for part in model_version.split():
        name, _, release = part.partition("/")
        path = settings.model_repository / name / release.split("@")[0] / "manifest.json"
        manifests[name] = json.loads(path.read_text())
    row = insert(model_versions).values(model_version=model_version, manifests=manifests, first_seen_at=func.now())
    async with engine.begin() as connection:
        await connection.execute(row.on_conflict_do_nothing())
