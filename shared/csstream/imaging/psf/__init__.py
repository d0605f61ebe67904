"""The point-spread function: its table, how it varies over the field, and how a frame tells it."""
