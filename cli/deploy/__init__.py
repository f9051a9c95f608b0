"""The command `pirack deploy`, which installs the exporter on rasps over SSH."""
