"""The demo: a virtual rack with Prometheus, Alertmanager and the controller on loopback."""
