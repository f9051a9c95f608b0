"""The command `pirack experiment`: runs, checks and records on the user's machine."""
