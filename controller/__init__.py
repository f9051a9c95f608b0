"""Controller of a rack: state, orders and installs over HTTP."""

from importlib.metadata import version

__version__ = version("pirack")

API_VERSION = "1.0"
API_PREFIX = f"/api/v{API_VERSION}"
