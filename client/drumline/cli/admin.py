"""`drumline protocol` and `drumline install-scripts`: what an operator does to the broker of a cluster."""

from __future__ import annotations

from argparse import Namespace

from drumline.settings import Settings


def run(args: Namespace) -> int:
    """Do what `args.command` says."""
    return _protocol(args) if args.command == "protocol" else _install(args)


def _protocol(args: Namespace) -> int:
    """Show the protocol version that the cluster speaks, and the latest one of this drumline; raise it if told to."""
    from drumline_protocol.wire import VERSION
    from drumline_transport import connect

    settings = Settings(args)
    broker = connect(settings.broker(), prefix=settings.prefix(), name="protocol")
    try:
        spoken = broker.protocol
        if spoken == VERSION:
            print(f"the cluster speaks protocol version {spoken}, the latest that this drumline knows")
        elif args.raise_it:
            broker.raise_protocol(VERSION)
            print(
                f"the cluster spoke protocol version {spoken}, and speaks {VERSION} with every process that starts now"
            )
        else:
            print(
                f"the cluster speaks protocol version {spoken}; this drumline knows {VERSION}. When no older process "
                "is left: `drumline protocol --raise`, then start all processes again"
            )
    finally:
        broker.close()
    return 0


def _install(args: Namespace) -> int:
    """Load all scripts, for users that may not."""
    from drumline_protocol.errors import without_password
    from drumline_transport.redis_broker import install_scripts

    url = Settings(args).broker()
    print(f"loaded {install_scripts(url)} scripts into {without_password(url)}")
    return 0
