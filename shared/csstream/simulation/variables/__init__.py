"""Variable stars: their curves, the shapes that own them, and the laws they are drawn by."""
