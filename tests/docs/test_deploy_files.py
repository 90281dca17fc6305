"""What `deploy/` holds beside the ACL file does what it says: redis.conf, and the structure of the compose file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.docs.guarded import DEPLOY, SERVERS, Guarded
from tests.servers import program

from drumline_transport import connect

# -- redis.conf -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["redis62", *SERVERS])
def test_a_server_starts_with_redis_conf(name: str, tmp_path: Path) -> None:
    """As an operator would start it, and drumline takes it as it is."""
    started = Guarded(program(name), tmp_path, None)
    try:
        raw = started.raw()
        assert raw.info("memory")["maxmemory_policy"] == "noeviction"
        assert raw.info("memory")["maxmemory"] == 1024**3
        assert raw.info("persistence")["aof_enabled"] == 1
        connect(started.url(), create=True).close()
    finally:
        started.close()


# -- compose.yaml -----------------------------------------------------------------------------------


def _compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: compose.yaml was NOT looked at")
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def test_compose_has_the_parts_of_a_cluster() -> None:
    services = _compose()["services"]
    assert {"redis", "coordinator", "worker", "worker-gpu"} <= set(services)
    assert services["coordinator"]["deploy"]["replicas"] == 2
    for name, service in services.items():
        assert "ports" not in service, f"{name} publishes a port"
        assert service["restart"] in ("unless-stopped", "no")
        assert "container_name" not in service, f"{name} could not be scaled"
        if name != "client":
            assert service["healthcheck"]["test"]
            assert service["stop_grace_period"]


def test_compose_gives_nodes_time_to_end() -> None:
    for name, service in _compose()["services"].items():
        command = service["command"]
        if "--drain-s" in command:
            drain_s = int(command[command.index("--drain-s") + 1])
            assert int(service["stop_grace_period"].removesuffix("s")) > drain_s, name


def test_compose_commands_are_those_of_the_command_line() -> None:
    from drumline.cli.main import parser

    for name in ("coordinator", "worker", "worker-gpu", "client"):
        service = _compose()["services"][name]
        parser().parse_args(service["command"])
        test = service.get("healthcheck", {}).get("test")
        if test is not None:
            parser().parse_args(test[2:])


def test_compose_names_only_files_that_are_there() -> None:
    for service in _compose()["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source


def test_variables_of_compose_are_in_the_example() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"\$\{(\w+)", text))
    given = set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert wanted == given


def test_dockerfile_copies_every_room() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    project = (DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8")
    rooms = set(re.findall(r'^  "(\w+)/drumline', project, re.MULTILINE))
    assert set(re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE)) == rooms
    assert re.search(r"^USER \d+", text, re.MULTILINE), "runs as root"
