"""The command `pirack`: the controller's API for people who live in a terminal, and their scripts.

A package of its own, and no part of `controller`, for it runs on any machine: it needs click,
requests and rich (the extra `cli`), and of PiRack only how places are named and aliases written.
"""
