"""Discovery of the stack of each rasp by switching power."""
