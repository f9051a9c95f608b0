"""The rack: its layout as people wrote it down, and the inventory that the machine found."""
