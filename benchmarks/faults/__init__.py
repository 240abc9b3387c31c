"""The connector under kills, freezes, broker restarts and cut calls, and a judge who knows only what people did."""
