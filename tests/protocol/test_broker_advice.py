"""What is wrong with a broker, in one line: of each cause that connections tell, what it means and what to do."""

from __future__ import annotations

import pytest

from drumline_protocol.errors import NoBroker

CAUSES = [
    ("NOAUTH Authentication required.", "wants a password", "redis://USER:PASSWORD@host:port"),
    ("Authentication required.", "wants a password", "DRUMLINE_BROKER"),
    ("invalid username-password pair or user is disabled.", "does not take this user and password", "Check both"),
    ("WRONGPASS invalid username-password pair", "does not take this user and password", "`default`"),
    ("AUTH <password> called without any password configured", "does not take this user", "Check both"),
    ("NOPERM User weak has no permissions to run the 'hmget' command", "does not permit", "users.acl.template"),
    ("Redis URL must specify one of the following schemes (redis://, ...)", "is no address of a Redis", "rediss://"),
    ("DB index is out of range", "no database of that number", "leave it out"),
    ('Protocol error, got "<" as reply type byte', "is no Redis", "Check the port"),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "certificate", "ssl_ca_certs"),
    ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "no TLS with", "redis:// in place of rediss://"),
    ("the server closed the connection", "hangs up", "Does Redis still run there?"),
    ("cannot read: [Errno 104] Connection reset by peer", "hangs up", "rediss://"),
    ("no answer within 10 s", "does not answer as a Redis does", "Check the port"),
    ("Error 111 connecting to h:1. Connection refused.", "no Redis at redis://h:1", "drumline up"),
    ("Error -2 connecting to h:1. Name or service not known.", "no Redis at redis://h:1", "drumline up"),
]


@pytest.mark.parametrize(("cause", "means", "advice"), CAUSES)
def test_a_cause_is_told_with_what_it_means_and_what_to_do(cause: str, means: str, advice: str) -> None:
    text = str(NoBroker("redis://u:secret@h:1", cause))
    assert means.replace("h:1", "u:***@h:1") in text and advice in text
    assert cause.rstrip(".") in text, "what the connection said stays"
    assert "secret" not in text and "\n" not in text and ".." not in text.replace("...", "")


def test_a_timeout_with_tls_hints_at_plain_redis() -> None:
    text = str(NoBroker("rediss://h:1", "Timeout connecting to server"))
    assert "begin the address with redis:// in place of rediss://" in text


def test_a_braced_address_is_shown_as_it_is() -> None:
    assert "{url}0" in str(NoBroker("redis://{url}0", "refused"))
