"""Files as a sequence of frames: each is read when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from csstream.imaging.frames.fits_io import read_frame
from csstream.imaging.frames.frame import Frame
from csstream.instruments.instrument import Instrument


class FrameFiles:
    """FITS frames of one instrument, in the order given; one is in memory at a time."""

    def __init__(self, paths: Sequence[Path], instrument: Instrument) -> None:
        self.paths = list(paths)
        self.instrument = instrument

    @property
    def names(self) -> list[str]:
        """Return what people call the frames."""
        return [path.name for path in self.paths]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> Frame:
        """Read a frame; raises FrameError as :func:`read_frame`."""
        return read_frame(self.paths[index], self.instrument, require_time=False)
