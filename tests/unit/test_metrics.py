"""The names of the metrics, in the code and in the operators' handbook."""

import re

import pytest
from prometheus_client import CollectorRegistry

from stream_worker import metrics
from stream_worker.settings import REPOSITORY_ROOT

_SERVICES = {
    "worker": metrics.WORKER,
    "monitor": metrics.MONITOR,
    "gateway": metrics.GATEWAY,
    "feeds": metrics.FEEDS,
}


def own_metrics(registry: CollectorRegistry) -> dict[str, str]:
    """Names as Prometheus stores them, and their help."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: family.documentation
        for family in registry.collect()
        if family.name.startswith("finsentry_")
    }


@pytest.mark.parametrize("service", _SERVICES)
def test_a_service_tells_of_itself_and_of_its_process_and_of_no_other_service(service: str) -> None:
    names = own_metrics(_SERVICES[service])
    assert "finsentry_retries_total" in names
    assert len(names) > 3
    others = {name for other, registry in _SERVICES.items() if other != service for name in own_metrics(registry)}
    assert set(names) & others == {"finsentry_retries_total"}
    assert any(family.name == "process_resident_memory_bytes" for family in _SERVICES[service].collect())


def test_every_metric_is_explained_and_none_is_that_does_not_exist() -> None:
    known = {name: text for registry in _SERVICES.values() for name, text in own_metrics(registry).items()}
    assert all(known.values())
    handbook = (REPOSITORY_ROOT / "docs" / "operating.md").read_text()
    assert set(re.findall(r"`(finsentry_\w+)", handbook)) == set(known)


def test_the_format_follows_the_accept_header() -> None:
    _, plain = metrics.exposition(metrics.MONITOR, None)
    body, openmetrics = metrics.exposition(metrics.MONITOR, "application/openmetrics-text; version=1.0.0")
    assert plain.startswith("text/plain")
    assert openmetrics.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
