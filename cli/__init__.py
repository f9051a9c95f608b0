"""The command `pirack`, a client of the controller's API for terminals and scripts.

The command runs on any machine with the packages of the extra `cli`: click, requests and rich.
"""
