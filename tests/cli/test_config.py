"""Settings: option, environment, `up` in this folder, pyproject.toml; the first wins."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from drumline import Cluster
from drumline.settings import Settings, UsageError, project_settings
from drumline.up_file import AlreadyUp, is_starting, read_state, state_file


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("DRUMLINE_BROKER", "DRUMLINE_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def settings(environment: dict[str, str] | None = None, **options: Any) -> Settings:
    return Settings(argparse.Namespace(**options), environment or {})


def project(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text("[tool.drumline]\n" + text)


def test_broker_from_option_environment_up_and_file(folder: Path) -> None:
    with pytest.raises(UsageError, match="which broker"):
        settings().broker()
    project(folder, 'broker = "redis://file"\nprefix = "p"\n')
    assert settings().broker() == "redis://file"
    assert settings().prefix() == "p"
    with state_file() as state:
        state.write({"pid": 1, "broker": "redis://up", "prefix": "u"})
        assert settings().broker() == "redis://up"
        assert settings().prefix() == "u"
        assert settings({"DRUMLINE_BROKER": "redis://env"}).broker() == "redis://env"
        assert settings({"DRUMLINE_BROKER": "redis://env"}).prefix() == "p", "the prefix of `up` belongs to its broker"
        assert settings({"DRUMLINE_BROKER": "redis://env"}, broker="redis://opt").broker() == "redis://opt"
    assert settings().broker() == "redis://file", "`up` has ended"


def test_the_state_of_an_up_that_was_killed_is_ignored(folder: Path) -> None:
    path = folder / ".drumline" / "up.json"
    path.parent.mkdir()
    path.write_text('{"pid": 1, "broker": "redis://old", "prefix": "x"}')
    assert read_state() is None


def test_one_up_in_a_folder(folder: Path) -> None:
    with state_file() as state:
        state.write({"pid": 77, "broker": "redis://up", "prefix": "u"})
        with pytest.raises(AlreadyUp, match="process 77"), state_file():
            pass
    assert not (folder / ".drumline").exists()


def test_apps_from_option_environment_and_file(folder: Path) -> None:
    assert settings().apps() == []
    project(folder, 'apps = ["joke=app:graph"]\n')
    assert settings().apps() == ["joke=app:graph"]
    assert settings({"DRUMLINE_APP": "a.py:b c.py:d"}).apps() == ["a.py:b", "c.py:d"]
    assert settings({"DRUMLINE_APP": "a.py:b"}, apps=["x:y"], app=["z:y"]).apps() == ["x:y", "z:y"]


def test_pools_concurrency_version(folder: Path) -> None:
    assert settings().pools(["default"]) == ["default"]
    assert settings(pool=["gpu,cpu", "gpu"]).pools(["default"]) == ["gpu", "cpu"]
    assert settings({"DRUMLINE_POOL": "a, b"}).pools(["default"]) == ["a", "b"]
    project(folder, 'pools = ["x"]\nconcurrency = 3\nversion = "v"\n')
    assert settings().pools(["default"]) == ["x"]
    assert settings().concurrency() == 3
    assert settings({"DRUMLINE_CONCURRENCY": "5"}).concurrency() == 5
    assert settings().cache_bytes() is None
    assert settings({"DRUMLINE_CACHE_BYTES": "1000"}).cache_bytes() == 1000
    assert (settings().version(), settings({"DRUMLINE_VERSION": "w"}).version()) == ("v", "w")
    with pytest.raises(UsageError, match="white space"):
        settings(pool=["a b"]).pools([])
    with pytest.raises(UsageError, match="at least 1"):
        settings({"DRUMLINE_CONCURRENCY": "many"}).concurrency()


def test_log_level() -> None:
    assert settings().log_level() == "info"
    assert settings({"DRUMLINE_LOG_LEVEL": "WARNING"}).log_level() == "warning"
    assert settings({"DRUMLINE_LOG_LEVEL": "debug"}, log_level="error").log_level() == "error"
    with pytest.raises(UsageError, match="DRUMLINE_LOG_LEVEL is 'loud'"):
        settings({"DRUMLINE_LOG_LEVEL": "loud"}).log_level()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('brocker = "x"\n', "no key 'brocker'; it has apps, broker"),
        ('apps = "app:graph"\n', "apps under [tool.drumline] is a list of strings"),
        ("apps = [1]\n", "a list of strings"),
        ("concurrency = true\n", "a number"),
        ("apps = [\n", "cannot be read"),
    ],
)
def test_a_mistake_in_pyproject(folder: Path, text: str, told: str) -> None:
    project(folder, text)
    with pytest.raises(UsageError) as caught:
        project_settings()
    assert told in str(caught.value)
    assert "pyproject.toml" in str(caught.value)


def test_prefix_from_option_environment_and_file(folder: Path) -> None:
    assert settings().prefix() == "drumline"
    project(folder, 'prefix = "file"\n')
    assert settings().prefix() == "file"
    assert settings({"DRUMLINE_PREFIX": "env"}).prefix() == "env"
    assert settings({"DRUMLINE_PREFIX": "env"}, prefix="opt").prefix() == "opt"
    with pytest.raises(UsageError, match="cannot be a key prefix"):
        settings(prefix="a b{").prefix()


@pytest.mark.parametrize("make", [Cluster, lambda: Cluster(None)])
def test_a_cluster_asks_the_same_settings_as_the_command_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], Cluster]
) -> None:
    def found() -> tuple[str, str]:
        cluster = make()
        args = argparse.Namespace()
        assert (cluster.url, cluster.prefix) == (Settings(args).broker(), Settings(args).prefix())
        return cluster.url, cluster.prefix

    with pytest.raises(ValueError, match="drumline up") as caught:
        make()
    assert isinstance(caught.value, UsageError)
    project(folder, 'broker = "redis://file"\nprefix = "p"\n')
    assert found() == ("redis://file", "p")
    with state_file() as state:
        state.write({"pid": 1, "broker": "redis://up", "prefix": "u", "ready": False})
        assert found() == ("redis://up", "u")
        assert Cluster("redis://up").prefix == "u", "who names the broker of `up` means its prefix too"
        assert Cluster("redis://other").prefix == "p"
        assert Cluster("redis://other", prefix="mine").prefix == "mine"
        monkeypatch.setenv("DRUMLINE_PREFIX", "env")
        assert found() == ("redis://up", "env")
        monkeypatch.setenv("DRUMLINE_BROKER", "redis://env")
        assert found() == ("redis://env", "env")


def test_a_reader_waits_for_an_up_that_has_not_written_yet() -> None:
    asked = threading.Event()
    with state_file() as state, ThreadPoolExecutor(1) as pool:

        def read() -> Any:
            asked.set()
            return read_state(wait_s=30)

        answer = pool.submit(read)
        asked.wait(10)
        assert read_state(wait_s=0) is None
        assert Cluster("redis://other").prefix == "drumline", "who names a broker does not wait"
        state.write({"pid": 1, "broker": "redis://up", "prefix": "u", "ready": False})
        assert (answer.result(30) or {})["broker"] == "redis://up"
        assert is_starting("redis://up", "u") and not is_starting("redis://up", "other")
        state.write({"pid": 1, "broker": "redis://up", "prefix": "u", "ready": True})
        assert read_state() == {"pid": 1, "broker": "redis://up", "prefix": "u", "ready": True}
        assert not is_starting("redis://up", "u")
