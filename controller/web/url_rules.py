"""URL rules that are cheap to create."""

from collections.abc import Callable

from werkzeug.routing import Rule

URL = tuple[str, str]  # domain and path


class LazyRule(Rule):
    """A URL rule that compiles its URL builders when they are first used.

    The compilation takes most of the time to create an application with many rules, and most rules
    never build a URL.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., URL]:
        compile_builder = super()._compile_builder
        builder: Callable[..., URL] | None = None

        def build(rule: Rule, **values: object) -> URL:
            nonlocal builder
            if builder is None:
                builder = compile_builder(append_unknown)
            return builder(rule, **values)

        return build
