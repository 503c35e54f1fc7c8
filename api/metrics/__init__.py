"""/metrics for Prometheus: the figures of all processes of all hosts, as they said them last."""
