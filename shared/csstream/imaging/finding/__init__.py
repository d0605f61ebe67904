"""What finds stars: PNet, the classical finder, and what they share."""
