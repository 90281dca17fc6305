"""Addresses of brokers: the forms that there are, and what is said of those that are none."""

from __future__ import annotations

from typing import Any

import pytest

from drumline_protocol.errors import NoBroker
from drumline_transport import connect
from drumline_transport.address import Address, parse_address
from drumline_transport.dialer import Dialer, SentinelDialer, dialer_of


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("redis://u:p@h:1/2?ssl_ca_certs=/a", {"kind": "one", "base": "redis://u:p@h:1/2?ssl_ca_certs=/a"}),
        ("unix:///tmp/s", {"kind": "one", "base": "unix:///tmp/s"}),
        (
            "redis+cluster://a:7000,b:7001",
            {"kind": "cluster", "base": "redis://a:7000/0", "hosts": (("a", 7000), ("b", 7001))},
        ),
        (
            "rediss+cluster://u:p%40@a,[::1]:7001/0?ssl_ca_certs=/a",
            {
                "kind": "cluster",
                "base": "rediss://u:p%40@a:6379/0?ssl_ca_certs=%2Fa",
                "hosts": (("a", 6379), ("::1", 7001)),
            },
        ),
        (
            "redis+sentinel://:secret@s1,s2:5000,[fe80::1]/main/3",
            {
                "kind": "sentinel",
                "base": "redis://:secret@s1:26379/3",
                "hosts": (("s1", 26379), ("s2", 5000), ("fe80::1", 26379)),
                "service": "main",
            },
        ),
        (
            "rediss+sentinel://s1/main?sentinel_password=q&sentinel_username=v&ssl_cert_reqs=none",
            {
                "kind": "sentinel",
                "base": "rediss://s1:26379/0?ssl_cert_reqs=none",
                "hosts": (("s1", 26379),),
                "service": "main",
                "sentinel_username": "v",
                "sentinel_password": "q",
            },
        ),
    ],
)
def test_the_parts_of_an_address(url: str, parts: dict[str, Any]) -> None:
    assert parse_address(url) == Address(**parts)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis+sentinel://s1:26379", "names no service"),
        ("redis+sentinel://", "names no host"),
        ("redis+cluster:///0", "names no host"),
        ("redis+cluster://a:x", "is no host:port"),
        ("redis+cluster://a:1/2", "has database 0 only"),
        ("redis+sentinel://a/main/x", "invalid DB index"),
        ("redis+sentinel://a/main/0/more", "invalid DB index"),
        ("redis+other://a", "one of the following schemes"),
        ("unix+cluster:///tmp/s", "one of the following schemes"),
        ("http://a", "one of the following schemes"),
    ],
)
def test_what_is_no_address_says_why(url: str, said: str) -> None:
    with pytest.raises(NoBroker) as caught:
        connect(url)
    assert said in str(caught.value)


def test_passwords_of_sentinels_are_not_shown() -> None:
    with pytest.raises(NoBroker) as caught:
        connect("redis+sentinel://u:secret1@127.0.0.1:1/main?sentinel_password=secret2")
    assert "secret" not in str(caught.value) and "no master" in str(caught.value)


def test_who_connects_how() -> None:
    assert type(dialer_of("redis://h", "n", 1.0)) is Dialer
    assert type(dialer_of("redis+sentinel://h/main", "n", 1.0)) is SentinelDialer
