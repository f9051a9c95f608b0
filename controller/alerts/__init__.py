"""Alerts: what fires now, as Alertmanager knows it and tells it, and what is done about it.

Prometheus decides what is wrong and Alertmanager who is told. The controller is one of those who
are: it shows alerts, and has a remedy for two of them where rack.toml allows it.
"""
