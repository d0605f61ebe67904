"""The joint fit of all stars of a frame, its errors and their bound."""
