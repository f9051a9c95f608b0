"""Demo with a virtual rack, Prometheus, Alertmanager and the controller on loopback."""
