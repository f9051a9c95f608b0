"""The master: its machine, its services and their metrics."""
