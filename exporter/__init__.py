"""Prometheus exporter that runs on every rasp and serves the values of an aliases file."""

__version__ = "0.1.0"
