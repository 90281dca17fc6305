"""Real processes on deployments of several servers: a Redis Cluster, and a master that sentinels watch."""
