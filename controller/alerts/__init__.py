"""Alerts: list those that fire, receive Alertmanager's notifications, and remediate two of them.

Prometheus evaluates the alert rules. Alertmanager notifies the controller and other receivers.
"""
