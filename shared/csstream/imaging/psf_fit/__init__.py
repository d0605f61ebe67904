"""How a frame tells its PSF: from its bright stars, and from what a joint fit leaves."""
