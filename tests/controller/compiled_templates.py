"""The templates of the pages, compiled once for the applications of all tests."""

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket


class _MemoryCache(BytecodeCache):
    def __init__(self) -> None:
        self._bytecode: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._bytecode:
            bucket.bytecode_from_string(self._bytecode[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._bytecode[bucket.key] = bucket.bytecode_to_string()


COMPILED_TEMPLATES = _MemoryCache()
