"""docker-compose.yml, deploy/Dockerfile and .env.example name only what there is."""

import os
import shutil
import subprocess
from collections.abc import Mapping

import pytest

from tests.compose_file import COMPOSE, DOCKERFILE, EXAMPLE, IGNORED, ROOT, DeploymentFiles, Refused
from tests.compose_problems import problems

FILES = DeploymentFiles.read()
PASSWORDS = {"POSTGRES_PASSWORD": "one", "REDIS_PASSWORD": "two"}


def test_everything_that_the_files_name_exists() -> None:
    assert problems(FILES) == []


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        (COMPOSE, "command: [worker]", "command: [wroker]"),
        (COMPOSE, "command: [topics, apply]", "command: [topics, aply]"),
        (COMPOSE, "command: [feeds]", "command: [feeds, --chek]"),
        (COMPOSE, "FINSENTRY_KAFKA_BOOTSTRAP:", "FINSENTRY_KAFKA_BOOTSTRAPS:"),
        (COMPOSE, "@postgres:5432", "@postgre:5432"),
        (COMPOSE, "@redis:6379", "@redis:6380"),
        (COMPOSE, "KAFKA_BOOTSTRAP: kafka:9092", "KAFKA_BOOTSTRAP: kafka:9093"),
        (COMPOSE, "FINSENTRY_TRITON_URL: triton:8001", "FINSENTRY_TRITON_URL: triton:8000"),
        (COMPOSE, "--grpc-port=8001", "--grpc-port=8009"),
        (COMPOSE, "--http-port=8000", "--http-port=8080"),
        (COMPOSE, "sentiment, entities]", "sentiments, entities]"),
        (COMPOSE, ":19101/readyz", ":19102/readyz"),
        (COMPOSE, "/opt/check_http.py", "/opt/check_https.py"),
        (COMPOSE, "127.0.0.1:${GATEWAY_PORT:-18080}:18080", "127.0.0.1:${GATEWAY_PORT:-18080}:8080"),
        (COMPOSE, "127.0.0.1:${DASHBOARD_PORT:-8501}", "${DASHBOARD_PORT:-8501}"),
        (COMPOSE, "./triton_models/repository", "./triton_models/repositories"),
        (COMPOSE, "./deploy/feeds.example.toml", "./deploy/feeds.toml"),
        (COMPOSE, "/opt/build_plans.sh, /plans]", "/opt/build_plan.sh, /plans]"),
        (COMPOSE, "./deploy/build_plans.sh:", "./deploy/build_plan.sh:"),
        (COMPOSE, "--model-repository=/plans", "--model-repository=/plan"),
        (COMPOSE, "command: [/models, /plans]", "command: [/model, /plans]"),
        (COMPOSE, "target: dashboard", "target: dashbord"),
        (COMPOSE, "migrate: {condition: service_completed_successfully}", "migrate: {condition: service_healthy}"),
        (COMPOSE, "postgres: {condition: service_healthy}", "postgre: {condition: service_healthy}"),
        (COMPOSE, "${REDIS_PASSWORD:?set it", "${REDIS_PASSWORD:-set it"),
        (COMPOSE, "redis:7.4.6-alpine", "redis:latest"),
        (DOCKERFILE, "COPY stream_worker stream_worker", "COPY stream_workers stream_worker"),
        (DOCKERFILE, "COPY dashboard dashboard", "COPY dashboard triton_models/cards dashboard"),
        (DOCKERFILE, "dependencies.py dashboard", "dependencies.py dashbord"),
        (DOCKERFILE, '"triton_models.tensorrt"', '"triton_models.tensorrts"'),
        (DOCKERFILE, "FINSENTRY_HOME", "FINSENTRY_HOUSE"),
        (DOCKERFILE, "dashboard/app.py", "dashboard/main.py"),
        (DOCKERFILE, '["finsentry"]', '["finsentrie"]'),
        (DOCKERFILE, "--from=package", "--from=packages"),
        (DOCKERFILE, "127.0.0.1:8501", "127.0.0.1:8500"),
        (DOCKERFILE, "nvidia-pytriton==0.7.0", "nvidia-pytriton==0.6.0"),
        (DOCKERFILE, "python:3.11.14-slim-bookworm", "python"),
        (IGNORED, "!stream_worker\n", "!stream_workers\n"),
        (EXAMPLE, "REDIS_PASSWORD=", "REDIS_PASSWROD="),
        (EXAMPLE, "POSTGRES_PASSWORD=", "POSTGRES_PASSWORD=changeme"),
        (EXAMPLE, "GATEWAY_PORT=18080", "GATEWAY_PORT=8080"),
        (EXAMPLE, "FINSENTRY_LOG_LEVEL", "FINSENTRY_LOGLEVEL"),
    ],
)
def test_a_name_that_is_misspelt_is_found(file: str, right: str, wrong: str) -> None:
    text = FILES.texts[file]
    assert right in text
    assert problems(DeploymentFiles({**FILES.texts, file: text.replace(right, wrong)}))


@pytest.mark.parametrize("missing", sorted(PASSWORDS))
def test_nothing_starts_without_a_password_of_its_own(missing: str) -> None:
    with pytest.raises(Refused, match=missing):
        FILES.compose(**{**PASSWORDS, missing: ""})


@pytest.mark.parametrize("name", sorted(FILES.services))
def test_no_container_can_fill_the_disk_with_logs_or_take_all_memory(name: str) -> None:
    service = FILES.services[name]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert "no-new-privileges:true" in service["security_opt"]
    assert "mem_limit" in service or name in ("cli", "triton-gpu", "build-plans")


@pytest.mark.parametrize("name", [*FILES.ours, "triton-cpu"])
def test_our_own_containers_have_no_rights_and_a_root_that_cannot_be_written(name: str) -> None:
    service = FILES.services[name]
    assert (service["read_only"], service["cap_drop"], service["init"]) == (True, ["ALL"], True)
    user = [user for stage in FILES.lineage(service["build"]["target"]) for user in stage.values("USER")]
    assert user == ["10001:10001"]


def test_a_stop_leaves_services_the_time_that_they_promise_to_end_in() -> None:
    assert FILES.services["worker"]["stop_grace_period"] == "35s"
    assert FILES.services["gateway"]["stop_grace_period"] == "35s"


def _composes() -> list[str]:
    """Compose v2, as a plugin of docker or alone."""
    if shutil.which("docker") and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def _config(profile: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [*_composes(), "--env-file", os.devnull, "--profile", profile, "config", "--quiet"]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.skipif(not _composes(), reason="Docker Compose is not on the PATH; the other tests read the file without")
@pytest.mark.parametrize("profile", ["cpu", "gpu", "tools", "plans"])
def test_docker_compose_itself_accepts_the_file(profile: str) -> None:
    accepted = _config(profile, PASSWORDS)
    assert (accepted.returncode, accepted.stderr) == (0, "")
    refused = _config(profile, {})
    assert refused.returncode
    assert "as .env.example says" in refused.stderr
