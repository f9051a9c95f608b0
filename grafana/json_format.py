"""JSON with short values on one line, for readable diffs."""

import json

_WIDTH = 140
_INDENT = 1

Json = dict[str, object]


def format_json(value: object) -> str:
    """Return a value as JSON. The output is deterministic."""
    return _format_value(value, 0) + "\n"


def _format_value(value: object, depth: int) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(line) + depth * _INDENT <= _WIDTH:
        return line
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(name, ensure_ascii=False)}: {_format_value(item, depth + 1)}"
            for name, item in value.items()
        ]
        opening, closing = "{", "}"
    else:
        parts = [_format_value(item, depth + 1) for item in value]
        opening, closing = "[", "]"
    inner = "\n" + " " * _INDENT * (depth + 1)
    outer = "\n" + " " * _INDENT * depth
    return opening + inner + f",{inner}".join(parts) + outer + closing
