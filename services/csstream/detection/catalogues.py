"""Reference catalogues that announcements claim: verified, read once, kept a while."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from csstream.contracts.errors import BadInputError
from csstream.contracts.records import ClaimCheck, Exposure
from csstream.detection.claim_check import ClaimChecker
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.checks import CatalogueError
from csstream.imaging.reference.files import read_reference

KEPT = 4  # catalogues in memory: 600,000 stars take about 70 MB


@dataclass(kw_only=True)
class CatalogueShelf:
    """Gives the reference catalogue of an exposure; the least used of ``kept`` gives way.

    A catalogue is known by the hash in its claim, so what is kept need not be verified again.
    """

    checker: ClaimChecker
    kept: int = KEPT
    _catalogues: OrderedDict[str, ReferenceCatalogue] = field(default_factory=OrderedDict)

    def of(self, exposure: Exposure) -> ReferenceCatalogue | None:
        """Return the catalogue that an exposure is measured with; None: it claims none.

        Raises
        ------
        BadInputError
            The claim fails or the file is no catalogue (the reason of either with ``catalogue_``
            before it); ``catalogue_instrument``, ``catalogue_band``: it is another telescope's
            or another band's.
        TransientError
            The disk failed.
        """
        claim = exposure.reference_catalogue
        if claim is None:
            return None
        if claim.sha256 not in self._catalogues:
            self._keep(claim.sha256, self._read(claim, exposure))
        self._catalogues.move_to_end(claim.sha256)
        catalogue = self._catalogues[claim.sha256]
        _check_kind(catalogue, exposure)
        return catalogue

    def _read(self, claim: ClaimCheck, exposure: Exposure) -> ReferenceCatalogue:
        try:
            with self.checker.verified(claim) as path:
                return read_reference(path)
        except (BadInputError, CatalogueError) as error:
            raise BadInputError(
                f"catalogue_{error.reason}",
                f"{exposure.exposure_id}: reference catalogue: {error}",
            ) from error

    def _keep(self, sha256: str, catalogue: ReferenceCatalogue) -> None:
        self._catalogues[sha256] = catalogue
        while len(self._catalogues) > self.kept:
            self._catalogues.popitem(last=False)


def _check_kind(catalogue: ReferenceCatalogue, exposure: Exposure) -> None:
    for name in ("instrument", "band"):
        listed, announced = getattr(catalogue, name), getattr(exposure, name)
        if listed != announced:
            raise BadInputError(
                f"catalogue_{name}",
                f"{exposure.exposure_id}: the {name} of its reference catalogue is {listed!r}, "
                f"that of the exposure {announced!r}: build one from frames like it",
            )
