"""The state of the rack, built from Prometheus, the inventory and commanded power."""
