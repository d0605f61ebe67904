"""A frame in memory: read, checked, its sky and its bad pixels."""
