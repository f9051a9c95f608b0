"""`pirack top`: the rasps of the rack, updated until the user quits."""
