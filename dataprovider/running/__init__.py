"""Running the whole system in one terminal: services, collectors, web, and for a demo the exchange."""

from dataprovider.running.children import Child, ChildProblem
from dataprovider.running.farm import Farm
from dataprovider.running.view import View

__all__ = ["Child", "ChildProblem", "Farm", "View"]
