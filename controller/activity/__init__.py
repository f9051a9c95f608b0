"""Activity: everything that happened in the rack, on one clock.

Stored orders, power edges, installs, runs and logins, and the changes of states and alerts that
Prometheus recorded, become events. Nothing is stored here.
"""
