"""Text that the SSH server of a hijacked rasp sends as its banner and as the output of actions."""

_SAMPLE = (
    "ok\n03-1 ok: is off\n"
    "\x1b]0;title\x07\x1b[2J\x1b[1;1H"  # changes the title and clears the screen of a terminal
    "<script>document.title = 'injected'</script>\x00\x08\r\u202e\ufeff\n"
)

TEXT = _SAMPLE * (512 * 1024 // len(_SAMPLE))
"""About 512 KiB with control characters, markup, and lines that imitate results."""
