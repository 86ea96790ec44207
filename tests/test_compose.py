"""The compose file, checked against what is there: to run it takes an engine, which not every machine has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from celery_monitor import config, settings
from celery_monitor.cli.demo import WORKERS
from tests.parts import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def option(command: list[str], name: str) -> str:
    for at, word in enumerate(command):
        if word == name:
            return command[at + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    raise AssertionError(f"{name} is not in {command}")


def modules() -> set[str]:
    found = set()
    for service in OURS.values():
        command = service["command"]
        found.add(option(command, "-A") if command[0] == "celery" else option(command, "-m"))
    return found


def test_it_runs_the_demos_processes() -> None:
    expected = {"redis", "beat", "customers", "flower", "prometheus", *(f"worker-{name}" for name in WORKERS)}
    assert set(SERVICES) == expected


def test_its_workers_consume_what_the_demos_workers_consume() -> None:
    for name, queues in WORKERS.items():
        assert option(SERVICES[f"worker-{name}"]["command"], "-Q").split(",") == list(queues)


@pytest.mark.parametrize("module", sorted(modules()))
def test_what_its_commands_name_can_be_imported(module: str) -> None:
    code = f"import {module}"
    environment = {**os.environ, "SHOP_REDIS_URL": "redis://redis:6379/0", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT / "examples", env=environment, check=True)


def test_every_environment_variable_is_one_that_is_read() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "examples/shop").glob("*.py"))
    for service in OURS.values():
        for name in service["environment"]:
            prefix = config.ENVIRONMENT
            known = name.removeprefix(prefix).lower() in settings.TABLE if name.startswith(prefix) else name in sources
            assert known, f"{name} is neither a setting nor read by the shop"


def test_services_depend_on_services_and_names_in_urls_are_services() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)
    for service in OURS.values():
        host = re.match(r"redis://([^:/]+):6379/0", service["environment"]["SHOP_REDIS_URL"])
        assert host is not None
        assert host[1] in SERVICES


def test_a_service_waited_for_until_healthy_has_a_health_check() -> None:
    for service in SERVICES.values():
        wanted = service.get("depends_on", {})
        for name, how in wanted.items() if isinstance(wanted, dict) else ():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[name]


def test_ports_are_on_the_loopback_interface_and_lead_to_a_listener() -> None:
    flower = SERVICES["flower"]
    assert flower["ports"] == [f"127.0.0.1:5555:{option(flower['command'], '--port')}"]
    assert option(flower["command"], "--address") == "0.0.0.0"
    assert SERVICES["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]


def test_mounted_files_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            assert (ROOT / volume.split(":")[0]).is_file()


def test_prometheus_scrapes_flowers_metrics() -> None:
    scrape = yaml.safe_load((ROOT / "examples/prometheus.yml").read_text())["scrape_configs"][0]
    port = option(SERVICES["flower"]["command"], "--port")
    assert scrape["static_configs"] == [{"targets": [f"flower:{port}"]}]
    assert scrape["metrics_path"] == "/monitor/metrics"


@pytest.mark.prometheus
def test_prometheus_accepts_its_configuration(require: Callable[[str], str]) -> None:
    promtool = require("promtool")
    subprocess.run([promtool, "check", "config", ROOT / "examples/prometheus.yml"], check=True, capture_output=True)


def test_the_image_is_built_of_what_exists_in_stages_that_exist() -> None:
    stages = re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE)
    assert stages == ["build", "runtime"]
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        words = line.split()
        if words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in stages
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists(), f"COPY {source}: not in the repository"


def test_the_image_runs_as_an_ordinary_user() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users
    assert users[-1] not in {"root", "0"}
    assert f"useradd --system --create-home --uid 10001 {users[-1]}" in DOCKERFILE
