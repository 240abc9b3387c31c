"""Faults of the Salesforce stream, one row each: what was lost, what came twice, whether readiness told the truth."""
