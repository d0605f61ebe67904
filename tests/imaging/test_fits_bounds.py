"""What a header may declare: nothing is counted, looped over or built that no file has."""

import numpy as np
import pytest

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.fits_io import read_frame

RAMP = np.arange(600, dtype=np.float32).reshape(20, 30)
TAN = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": 2.0,
    "CRPIX1": 15.0,
    "CRPIX2": 10.0,
    "CDELT1": -2e-4,
    "CDELT2": 2e-4,
}


def refused(path, instrument, reason, word):
    with pytest.raises(FrameError, match=word) as caught:
        read_frame(path, instrument)
    assert caught.value.reason == reason


def card(name, value):
    return f"{name:8}= {value:>20}".ljust(80)


def blocks(*cards):
    return ("".join(cards) + "END".ljust(80)).ljust(2880).encode()


PLAIN = blocks(card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 0))


@pytest.mark.parametrize(
    "content",
    [
        blocks(card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 30_000_000)),
        PLAIN + blocks("XTENSION= 'IMAGE   '".ljust(80), card("BITPIX", 8), card("NAXIS", 10**9)),
        PLAIN
        + blocks(
            "XTENSION= 'BINTABLE'".ljust(80),
            card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 8), card("NAXIS2", 1),
            card("PCOUNT", 0), card("GCOUNT", 1), card("TFIELDS", 10**9),
        ),
    ],
    ids=["axes", "axes of an extension", "columns"],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_a_billion_axes_or_columns_are_not_counted(tmp_path, any_instrument, content):
    path = tmp_path / "many.fits"
    path.write_bytes(content)
    refused(path, any_instrument, "too_large", "more than")


@pytest.mark.parametrize(
    "keywords",
    [
        {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 100_000, "B_ORDER": 2},
        {"CTYPE1": "RA---TAB", "PS1_0": "WCS", "PS1_1": "X", "PV1_3": 1e9},
        {"WCSAXESA": 3000},
        {"WCSAXES": -3},
    ],
    ids=["polynomial", "table", "axes", "negative axes"],
)
@pytest.mark.timeout(20)
def test_a_wcs_without_end_is_refused(write_fits, any_instrument, keywords):
    refused(write_fits(RAMP, **TAN | keywords), any_instrument, "bad_wcs", "WCS")
