"""How good lists of stars are: scores, photometry and astrometry against a truth and its bound."""
