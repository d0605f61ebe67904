"""A simulated sky and the frames a telescope takes of it."""
