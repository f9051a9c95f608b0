"""The exporter: runs on every rasp and turns an ini file of aliases into metrics."""

__version__ = "0.1.0"
