"""Run the tests of each kernel in one pytest worker, because they use one emulated master."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.emulated.kernels import KERNELS


class _KernelScheduling(LoadScopeScheduling):
    """Group the tests by kernel, and the other ones by module."""

    def _split_scope(self, nodeid: str) -> str:
        for source in KERNELS:
            if f"[{source.name}" in nodeid:
                return source.name
        return nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _KernelScheduling(config, log)
