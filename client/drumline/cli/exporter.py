"""`drumline exporter`: tells Prometheus what the queues and partitions of a cluster look like."""

from __future__ import annotations

import threading
from argparse import Namespace

from drumline.cli.signals import stop_on_signals
from drumline.settings import Settings
from drumline_transport.log_setup import say, set_up


def run(args: Namespace) -> int:
    """0 after a stop by signal. MetricsNotInstalled, NoBroker, NoCluster."""
    from drumline.metrics.book import Looked
    from drumline.metrics.of_cluster import ClusterLook
    from drumline.metrics.serving import served_at
    from drumline_transport import connect

    settings = Settings(args)
    set_up(settings.log_level().upper(), settings.log_format())
    stopped = threading.Event()
    broker = connect(settings.broker(), prefix=settings.prefix(), name="exporter", patience_s=1.0)
    try:
        looked = Looked(ClusterLook(broker))
        place = settings.metrics_place() or ("127.0.0.1", args.default_port)
        with served_at(place, looked.registry) as address, stop_on_signals(stopped.set):
            say(f"exporter ready: {address}")
            stopped.wait()
    finally:
        broker.close()
    say("exporter stopped")
    return 0
