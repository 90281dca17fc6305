"""deploy/kubernetes: the manifests are of Kubernetes' shapes, agree with each other and with the command line.

No cluster is here: nothing is applied. KEDA's and the operator's own kinds are looked at by their fields only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from drumline.cli.main import parser
from drumline.metrics.names import BY_NAME

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: the manifests were NOT looked at")

DEPLOY = Path(__file__).parents[2] / "deploy"
FOLDER = DEPLOY / "kubernetes"
#: kinds that others define
FOREIGN = ("ScaledObject", "PodMonitor", "Kustomization")
#: of every container, by its role: the user of Redis that it is
USERS = {"coordinator": "coordinator", "worker": "worker", "exporter": "exporter", "gateway": "client"}


def _all() -> list[dict[str, Any]]:
    paths = sorted(FOLDER.glob("*.yaml"))
    return [found for path in paths for found in yaml.safe_load_all(path.read_text("utf-8")) if found]


MANIFESTS = _all()


def _of(kind: str) -> dict[str, dict[str, Any]]:
    return {found["metadata"]["name"]: found for found in MANIFESTS if found["kind"] == kind}


DEPLOYMENTS = _of("Deployment")


def _pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return spec


def _container(name: str) -> dict[str, Any]:
    (container,) = _pod(name)["containers"]
    found: dict[str, Any] = container
    return found


def _role(name: str) -> str:
    return str(DEPLOYMENTS[name]["spec"]["template"]["metadata"]["labels"]["drumline/role"])


@pytest.mark.parametrize("found", MANIFESTS, ids=lambda found: found["kind"])
def test_a_manifest_is_of_the_shape_that_kubernetes_wants(found: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed: NOT validated")
    if found["kind"] not in FOREIGN:
        validate.validate(found, "1.31", strict=True)


def test_every_file_is_named_or_said_not_to_be() -> None:
    (kustomization,) = [found for found in MANIFESTS if found["kind"] == "Kustomization"]
    there = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert there - set(kustomization["resources"]) == {"keda.yaml", "monitoring.yaml"}
    assert set(kustomization["resources"]) <= there


def _command(words: list[str]) -> Any:
    """What the command line makes of a container's words; None for a command that this drumline has not."""
    commands = next(action.choices for action in parser()._actions if action.dest == "command")
    assert isinstance(commands, dict)
    if words[0] not in commands:
        assert words[0] == "gateway", words
        return None
    return parser().parse_args(words)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_container_runs_a_command_of_the_command_line(name: str) -> None:
    container, role = _container(name), _role(name)
    args = _command(container["args"])
    assert container["args"][0] == role
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    if args is not None and role != "gateway":
        host, _, port = args.metrics_port.rpartition(":")
        assert (host, int(port)) == ("0.0.0.0", ports["metrics"])
    if args is not None and role == "gateway":
        assert (args.host, args.port) == ("0.0.0.0", ports["http"])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        found = container.get(probe, {})
        if "exec" in found:
            program, *words = found["exec"]["command"]
            assert program == "drumline" and parser().parse_args(words).kind == role
        elif found:
            assert found["httpGet"]["port"] in ports
    assert container.get("readinessProbe"), "a pod must tell when it is ready"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_has_time_to_drain_and_no_rights(name: str) -> None:
    pod, container = _pod(name), _container(name)
    words = container["args"]
    if "--drain-s" in words:
        assert pod["terminationGracePeriodSeconds"] >= int(words[words.index("--drain-s") + 1]) + 10
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_role_is_its_own_user_of_redis(name: str) -> None:
    env = {row["name"]: row["valueFrom"] for row in _container(name)["env"]}
    user = USERS[_role(name)]
    assert env["DRUMLINE_BROKER"]["secretKeyRef"] == {"name": "drumline", "key": user}
    template = (DEPLOY / "users.acl.template").read_text(encoding="utf-8")
    assert f"\nuser {user} reset on" in template
    head = (FOLDER / "kustomization.yaml").read_text(encoding="utf-8")
    service = _of("StatefulSet")["drumline-redis"]["spec"]["serviceName"]
    assert f"--from-literal={user}=redis://{user}:$DRUMLINE_{user.upper()}_PASSWORD@{service}:6379/0" in head


def test_secrets_and_config_maps_are_those_that_the_head_makes() -> None:
    head = (FOLDER / "kustomization.yaml").read_text(encoding="utf-8")
    made = set(re.findall(r"create (?:secret generic|configmap) (\S+)", head)) | {"drumline"}
    text = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml"))
    named = set(re.findall(r"(?:secretKeyRef|configMapRef|configMap): \{name: ([\w-]+)", text))
    assert named | set(re.findall(r"secretName: ([\w-]+)", text)) == made
    keys = set(re.findall(r"--from-literal=([\w-]+)=", head))
    assert set(re.findall(r"secretKeyRef: \{name: drumline, key: ([\w-]+)\}", text)) == keys
    for path in re.findall(r"(deploy/[\w./-]+)", head):
        assert (DEPLOY.parent / path).exists(), path


def test_selectors_find_what_they_are_for() -> None:
    labels = [found["spec"]["template"]["metadata"]["labels"] for found in DEPLOYMENTS.values()]
    labels.append(_of("StatefulSet")["drumline-redis"]["spec"]["template"]["metadata"]["labels"])

    def matched(selector: dict[str, str]) -> bool:
        return any(selector.items() <= each.items() for each in labels)

    for found in [*DEPLOYMENTS.values(), *_of("PodDisruptionBudget").values()]:
        assert matched(found["spec"]["selector"]["matchLabels"]), found["metadata"]
    for found in _of("Service").values():
        assert matched(found["spec"]["selector"]), found["metadata"]
    policies = _of("NetworkPolicy")
    assert all(each.get("drumline/role") for each in labels if each["app.kubernetes.io/name"] != "drumline-redis")
    (metrics,) = policies["drumline-metrics"]["spec"]["podSelector"]["matchExpressions"]
    assert set(metrics["values"]) == {_role(name) for name in DEPLOYMENTS}
    for name in DEPLOYMENTS:
        for port in _container(name)["ports"]:
            policy = policies["drumline-gateway" if port["name"] == "http" else "drumline-metrics"]
            assert [row["port"] for row in policy["spec"]["ingress"][0]["ports"]] == [port["containerPort"]]


def test_each_pool_is_scaled_by_gauges_that_there_are() -> None:
    workers = {name for name in DEPLOYMENTS if _role(name) == "worker"}
    scaled = _of("ScaledObject")
    assert set(scaled) == workers == {found["spec"]["scaleTargetRef"]["name"] for found in scaled.values()}
    for name, found in scaled.items():
        args = parser().parse_args(_container(name)["args"])
        (trigger,) = found["spec"]["triggers"]
        query, (pool,) = trigger["metadata"]["query"], args.pool
        gauges = re.findall(r'(drumline_\w+)\{pool="([\w-]+)"\}', query)
        assert gauges == [("drumline_pool_tasks_waiting", pool), ("drumline_pool_tasks_running", pool)]
        assert all(BY_NAME[gauge].by == "exporter" for gauge, _ in gauges)
        assert int(trigger["metadata"]["threshold"]) == args.concurrency
        assert trigger["metadata"]["ignoreNullValues"] == "false" and found["spec"]["fallback"]["replicas"] > 0
        assert "replicas" not in DEPLOYMENTS[name]["spec"], "the scaler and the manifest would fight"
