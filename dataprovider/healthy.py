"""`python -m dataprovider.healthy web PORT`, `… collectors`: whether that process of this host lives, by exit status.

For health checks of containers. It asks for life, not for perfect health: a service that is away is no reason to
restart what waits for it, and monitoring/health says the rest.
"""

from __future__ import annotations

import http.client
import socket
import sys

from redis import Redis
from redis.exceptions import RedisError

from dataprovider.config import ConfigError, load_config
from dataprovider.heartbeat import read_hosts

USAGE = "Usage: python -m dataprovider.healthy web PORT, or: python -m dataprovider.healthy collectors\n"
PATIENCE_SECONDS = 5.0


def web(port: int) -> str:
    """What is wrong with the web process on this port; empty when it answers, whatever its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/api/v1/monitoring/live")
        connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        return f"The web does not answer on port {port}: {error}"
    finally:
        connection.close()
    return ""


def collectors(redis_url: str) -> str:
    """What is wrong with this host's supervisor; empty when it lives, and while Valkey cannot be asked."""
    redis = Redis.from_url(redis_url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS)
    try:
        hosts = read_hosts(redis)
    except RedisError:
        # Collection goes on without Valkey.
        return ""
    finally:
        redis.close()
    name = socket.gethostname()
    if any(host.owner.partition(":")[0] == name for host in hosts):
        return ""
    return f"No supervisor of {name} has said that it lives within the last seconds."


def main(arguments: list[str]) -> int:
    """0: it lives, 1: it does not, 2: wrong arguments or settings."""
    match arguments:
        case ["web", port] if port.isdecimal():
            problem = web(int(port))
        case ["collectors"]:
            try:
                url = load_config().redis_url
            except ConfigError as error:
                sys.stderr.write(f"{error}\n")
                return 2
            problem = collectors(url) if url else "No Valkey is known here: set REDIS_URL."
        case _:
            sys.stderr.write(USAGE)
            return 2
    if problem:
        sys.stderr.write(f"{problem}\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
