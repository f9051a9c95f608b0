"""The command `pirack deploy`: installs the exporter on rasps over SSH."""
