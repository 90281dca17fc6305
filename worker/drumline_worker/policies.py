"""What the policies of a node say of one try: decided where the exception itself is. One seam for both drivers."""

from __future__ import annotations

import random

from drumline_graph.retrying import delay_before_next
from drumline_worker.job import Job


def retry_ms(job: Job, error: BaseException) -> float:
    """Milliseconds until the node of a job that raised `error` is to be tried again; -1 if it is not."""
    policies = job.node.retry
    if not policies:
        return -1.0
    delay = delay_before_next(policies, error, job.tries, random.uniform(0, 1))
    return -1.0 if delay is None else delay * 1000
