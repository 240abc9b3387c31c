"""A simulated Salesforce org: REST, SOQL, change events over CometD. State is in memory, the clock can be set."""

from connector.simulators.salesforce.app import build, ready
from connector.simulators.salesforce.org import Settings

__all__ = ["Settings", "build", "ready"]
