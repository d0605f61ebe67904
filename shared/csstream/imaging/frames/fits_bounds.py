"""What a FITS header may declare, looked at before astropy and wcslib work through it.

Both believe a header. They loop over as many axes, columns and polynomial terms as it declares,
for hours where it says a billion, and wcslib crashes where a table of coordinates is missing.
"""

from __future__ import annotations

import math
from typing import IO, Any

from astropy.io import fits

from csstream.imaging.errors import FrameError

BLOCK = 2880  # [byte] FITS 4.0, section 3.1
MAX_HDUS = 128
MAX_AXES = 9
COUNTS = {"NAXIS": MAX_AXES, "ZNAXIS": MAX_AXES, "TFIELDS": 999}
MAX_SIP_ORDER = 9  # Shupe et al. 2005, ASP 347, 491
SIP_ORDERS = ("A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER")


def check_headers(stream: IO[bytes], path: object) -> None:
    """Look at the headers of a FITS file from its start on, and go back there.

    What is no header is left to astropy to complain about. Raises FrameError (``too_large``) for
    a number of axes or columns that no file has.
    """
    try:
        for _ in range(MAX_HDUS):
            header = fits.Header.fromfile(stream)
            for name, most in COUNTS.items():
                if (count := int(header.get(name, 0))) > most:
                    text = f"{path}: {name} is {count}, more than {most}"
                    raise FrameError("too_large", text)
            stream.seek(_data_bytes(header), 1)
    except FrameError:
        raise
    except Exception:  # the file's end, or whatever astropy makes of damaged cards
        pass
    finally:
        stream.seek(0)


def check_wcs(header: Any) -> None:
    """Raise ValueError for WCS keywords that would take for ever, or a table of coordinates."""
    for card in header.cards:
        name = str(card.keyword)
        if name.startswith("CTYPE") and "-TAB" in str(card.value).upper():
            raise ValueError(f"{name} is {card.value}: tables of coordinates are not read")
        if name.startswith("WCSAXES") and not 0 <= int(card.value) <= MAX_AXES:
            raise ValueError(f"{name} is {card.value}, not 0 to {MAX_AXES}")
        if name in SIP_ORDERS and not 0 <= int(card.value) <= MAX_SIP_ORDER:
            raise ValueError(f"{name} is {card.value}, not 0 to {MAX_SIP_ORDER}")


def _data_bytes(header: Any) -> int:
    """Size of the data behind a header, padded to whole blocks (FITS 4.0, eq. 1 and 4)."""
    axes = [int(header[f"NAXIS{k + 1}"]) for k in range(int(header["NAXIS"]))]
    groups = bool(header.get("GROUPS", False)) and axes[:1] == [0]
    values = math.prod(axes[1:] if groups else axes) if axes else 0
    per_group = values + int(header.get("PCOUNT", 0)) if axes else 0
    size = abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1)) * per_group
    return max(0, -(-size // BLOCK) * BLOCK)
