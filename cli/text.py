"""Text from elsewhere, made fit for a terminal."""


def printable(text: str) -> str:
    """Return a text without what would steer a terminal: escapes, bells, line breaks."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
