"""The dashboards for Grafana, made from rack.toml: `make dashboards`."""
