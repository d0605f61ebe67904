"""Frame in, sources out: frames, PSF, finding and fit, put in order by ``measure``."""
