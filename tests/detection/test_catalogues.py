"""Reference catalogues are verified before they are believed, and only a few are kept."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from csstream.contracts.errors import BadInputError
from csstream.contracts.records import ClaimCheck
from csstream.detection.catalogues import CatalogueShelf
from csstream.detection.claim_check import ClaimChecker
from csstream.imaging.reference.catalogue import ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.reference.files import write_reference
from csstream.imaging.reference.identity import cells_of, sealed
from csstream.imaging.registration import nominal_wcs


def catalogue(n=3, **changes) -> ReferenceCatalogue:
    wcs = nominal_wcs((10.0, 20.0), 0.075, (64, 64))
    x, y = np.linspace(10, 50, n), np.linspace(10, 50, n)
    ra, dec = wcs.all_pix2world(x, y, 0)
    stars = ReferenceStarTable(
        object_id=(cells_of(ra, dec) << 20) + 1 + np.arange(n),
        ra=ra,
        dec=dec,
        x=x,
        y=y,
        position_err=np.full(n, 0.01),
        flux=np.linspace(900.0, 100.0, n),
        flux_err=np.ones(n),
        calibrator=np.ones(n, bool),
        neighbour_id=np.zeros(n, np.int64),
        neighbour_share=np.zeros(n),
        n_frames=np.ones(n, np.int32),
        flags=np.zeros(n, np.int32),
    )
    facts = {"instrument": "csst-i", "band": "i", "zero_point": 25.9, "fwhm": 2.0, "wcs": wcs}
    made = ReferenceCatalogue(version="", stars=stars, **(facts | changes))
    used = np.array([[cell, n] for cell in np.unique(made.stars.object_id >> 20)])
    made = replace(made, used=used)
    return sealed(made)


def claim_of(path) -> ClaimCheck:
    content = path.read_bytes()
    return ClaimCheck(
        uri=path.as_uri(),
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content_type="application/vnd.apache.parquet",
    )


@pytest.fixture
def announce(exposure, tmp_path):
    """``announce(n, …)``: an exposure that claims a catalogue of n stars."""

    def announced(n=3, **changes):
        path = tmp_path / f"{n}{''.join(map(str, changes.values()))}.parquet"
        write_reference(path, catalogue(n, **changes))
        return replace(exposure, reference_catalogue=claim_of(path))

    return announced


@pytest.fixture
def shelf(tmp_path):
    return CatalogueShelf(checker=ClaimChecker(roots=[tmp_path], max_bytes=10**6), kept=2)


def reason(shelf, exposure) -> str:
    with pytest.raises(BadInputError) as caught:
        shelf.of(exposure)
    return caught.value.reason


def test_an_exposure_without_a_claim_has_none(shelf, exposure):
    assert shelf.of(exposure) is None


def test_the_claimed_catalogue_is_read_once(shelf, announce, tmp_path):
    exposure = announce()
    found = shelf.of(exposure)
    assert len(found.stars) == 3
    next(tmp_path.iterdir()).unlink()
    assert shelf.of(exposure) is found


def test_the_least_used_gives_way(shelf, announce, tmp_path):
    first, second, third = (announce(n) for n in (1, 2, 3))
    shelf.of(first), shelf.of(second), shelf.of(first), shelf.of(third)
    for path in tmp_path.iterdir():
        path.unlink()
    assert len(shelf.of(first).stars) == 1
    assert reason(shelf, second) == "catalogue_missing_file"


def test_a_changed_or_missing_file_is_named(shelf, announce, tmp_path):
    exposure = announce()
    path = next(tmp_path.iterdir())
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(bytes(content))
    assert reason(shelf, exposure) == "catalogue_checksum_mismatch"
    path.unlink()
    assert reason(shelf, exposure) == "catalogue_missing_file"


def test_what_is_no_catalogue_is_named(shelf, exposure, tmp_path):
    path = tmp_path / "list.parquet"
    path.write_bytes(b"a list of stars")
    assert reason(shelf, replace(exposure, reference_catalogue=claim_of(path))) == (
        "catalogue_not_parquet"
    )


@pytest.mark.parametrize("kind", [{"instrument": "ogle4-i"}, {"band": "g"}])
def test_another_telescopes_or_bands_catalogue_is_refused(shelf, announce, kind):
    assert reason(shelf, announce(**kind)) == f"catalogue_{next(iter(kind))}"
