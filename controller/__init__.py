"""The controller: the rack's state over HTTP, for people and for programs."""

from importlib.metadata import version

__version__ = version("pirack")
