"""List firing alerts, receive Alertmanager's notifications, and remediate two kinds of alerts.

Prometheus evaluates the alert rules. Alertmanager notifies the controller and other receivers.
"""
