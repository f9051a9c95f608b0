"""Generator of the Grafana dashboards for a rack.toml (`make dashboards`)."""
