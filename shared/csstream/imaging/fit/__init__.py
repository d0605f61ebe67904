"""The joint fit of all stars of a frame, its errors and bound; PSF photometry one by one."""
