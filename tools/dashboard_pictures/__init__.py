"""Pictures of the dashboards, drawn by Grafana's npm packages with the data of a running rack."""
