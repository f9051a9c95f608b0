"""Export of histories as EDN, which Jepsen, Elle and Knossos read: one operation a line.

Jepsen writes its own `history.edn` in the same form.
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from cli.experiments.history import Operation

_TRANSACTION = "txn"
_LONGS = range(-(2**63), 2**63)


def to_edn(operations: Iterable[Operation]) -> Iterator[str]:
    """Yield a line for each operation. Encode them with `errors="backslashreplace"`."""
    for operation in operations:
        fields = [
            f":index {operation.index}",
            f":type :{operation.type}",
            f":process {operation.process}",
            f":f :{operation.f}",
            f":value {_value(operation)}",
            f":time {operation.time}",
            *(f":{key} {_edn(value)}" for key, value in operation.extra.items()),
        ]
        yield f"{{{', '.join(fields)}}}\n"


def _value(operation: Operation) -> str:
    """Return the value. The functions in a transaction, as in `[[:append 5 1]]`, are keywords."""
    value = operation.value
    if operation.f == _TRANSACTION and isinstance(value, list):
        return f"[{' '.join(_micro_operation(item) for item in value)}]"
    return _edn(value)


def _micro_operation(item: Any) -> str:
    if isinstance(item, list) and item and isinstance(item[0], str) and item[0].isidentifier():
        return f"[{' '.join([f':{item[0]}', *map(_edn, item[1:])])}]"
    return _edn(item)


def _edn(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(map(_edn, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_edn(key)} {_edn(item)}' for key, item in value.items())}}}"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f"##{'-' * (value < 0)}Inf"
    if isinstance(value, int) and value not in _LONGS:
        return f"{value}N"
    return "nil" if value is None else json.dumps(value, ensure_ascii=False)
