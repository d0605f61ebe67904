"""Sources of exposures become objects: by position, cell by cell, in order of epoch."""
