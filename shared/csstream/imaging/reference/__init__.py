"""The fixed list of a field's stars: built once, measured in every frame."""
