"""Postgres, Valkey and ClickHouse from wheels, for a machine that has none of them.

The application never sees them: it speaks Postgres', Valkey's and ClickHouse's own protocols to the addresses that
`ServiceStack.start` returns, and production differs by addresses alone.
"""

from dataprovider.embedded.environment import named_environment
from dataprovider.embedded.problems import ServiceProblem
from dataprovider.embedded.stack import ServiceStack
from dataprovider.embedded.supervision import ServiceEvent, SupervisedService

__all__ = ["ServiceEvent", "ServiceProblem", "ServiceStack", "SupervisedService", "named_environment"]
