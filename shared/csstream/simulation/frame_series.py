"""Independent simulated frames as files: scenes of their own, each with its truth table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from astropy.table import Table
from astropy.wcs import WCS

from csstream.simulation.frame_files import FrameFacts, FrameWriter, field_wcs
from csstream.simulation.scenes import Exposure, Scene, SceneSettings, draw_scene
from csstream.simulation.spectral import letters
from csstream.simulation.telescope import described
from csstream.simulation.truth import write_table

Progress = Callable[[int, int], None]
PsfExtension = Literal["nominal", "true", "none"]

SECONDS_PER_DAY = 86400.0
TRUTH_UNITS = {"x": "pix", "y": "pix", "ra": "deg", "dec": "deg", "mag": "mag", "flux": "electron"}
FRAME_UNITS = {
    "mjd_start_tai": "d",
    "mjd_mid_tai": "d",
    "density": "1 / pix2",
    "width": "arcsec",
    "sky": "electron / (s pix)",
}


@dataclass(frozen=True, kw_only=True)
class FramesSettings:
    """How many scenes to draw, how often to expose each, and what to tell about them."""

    scene: SceneSettings
    frames: int = 1  # independent scenes
    realisations: int = 1  # exposures of each scene: the same stars, another noise
    seed: int = 1
    start_mjd_tai: float = 61000.0  # [day] start of the first exposure
    psf_extension: PsfExtension = "nominal"
    mask: bool = True  # write the extension MASK with the known defects
    compress: bool = True  # RICE tiles, lossless

    def __post_init__(self) -> None:
        for name in ("frames", "realisations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, not {self.seed}")


@dataclass(frozen=True, kw_only=True)
class FrameRow:
    """One row of ``frames.ecsv``: a file and what is true of it."""

    file: str
    truth: str  # file with the scene's stars
    scene: int
    realisation: int
    mjd_start_tai: float  # [day]
    mjd_mid_tai: float  # [day]
    density: float  # [star/pixel]
    width: float  # [arcsec] of the scene's PSF: R80, or FWHM of a Moffat profile
    sky: float  # [electron/s/pixel]
    psf_scale: float  # this exposure's width over the scene's
    psf_e1: float  # added to the shape of the scene's PSF
    psf_e2: float


@dataclass(frozen=True, kw_only=True)
class FramesResult:
    """What :func:`simulate_frames` wrote."""

    files: tuple[Path, ...]
    truths: tuple[Path, ...]
    table: Path


def simulate_frames(
    settings: FramesSettings, out_dir: Path, progress: Progress | None = None
) -> FramesResult:
    """Draw scenes, expose each and write FITS files, truth tables and ``frames.ecsv``.

    Scene k of a seed is the same whatever the number of frames, and other seeds share nothing
    with it. ``progress`` is called with (done, total) after each frame.

    Raises
    ------
    ValueError
        A setting is out of range, or the optics cannot be made (PsfError).
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    truths: list[Path] = []
    rows: list[FrameRow] = []
    total = settings.frames * settings.realisations
    for number, seed in enumerate(np.random.SeedSequence(settings.seed).spawn(settings.frames)):
        series = _Series(settings, out_dir, number + 1, seed)
        truths.append(series.write_truth())
        for row in series.expose():
            rows.append(row)
            files.append(out_dir / row.file)
            if progress is not None:
                progress(len(files), total)
    table = _write_rows(rows, out_dir / "frames.ecsv")
    return FramesResult(files=tuple(files), truths=tuple(truths), table=table)


class _Series:
    """One scene and its files."""

    def __init__(
        self, settings: FramesSettings, out_dir: Path, number: int, seed: np.random.SeedSequence
    ) -> None:
        self.settings, self.out_dir, self.number = settings, out_dir, number
        scene_seed, noise_seed = seed.spawn(2)
        self.noise_seeds = noise_seed.spawn(settings.realisations)
        self.scene: Scene = draw_scene(settings.scene, scene_seed)
        self.wcs: WCS = field_wcs(settings.scene.instrument, settings.scene.shape, 1)
        self.name = f"{settings.scene.instrument.name}-{number:05d}"
        self.truth = out_dir / f"{self.name}.truth.ecsv"

    def write_truth(self) -> Path:
        """Write every star that shines into the frame, also from beyond its edge."""
        stars, scene = self.scene.catalogue, self.scene
        ra, dec = self.wcs.pixel_to_world_values(stars.x, stars.y)
        columns: dict[str, Any] = {"id": np.arange(1, len(stars) + 1), "x": stars.x, "y": stars.y}
        columns |= {"ra": ra, "dec": dec, "mag": stars.mag, "flux": scene.flux}
        if stars.types is not None:
            columns["spectral_type"] = letters(stars.types)
        table = Table(columns)
        table.meta |= self._meta()
        return write_table(table, self.truth, TRUTH_UNITS)

    def expose(self) -> Iterator[FrameRow]:
        """Write the exposures one after the other."""
        for k, seed in enumerate(self.noise_seeds):
            exposure = self.scene.expose(np.random.default_rng(seed))
            row = self._row(k, exposure)
            known = None if self.scene.defects is None else self.scene.defects.known
            mask = known if self.settings.mask else None
            self._writer(exposure).write(
                self.out_dir / row.file, exposure.image, self._facts(row), mask
            )
            yield row

    def _meta(self) -> dict[str, Any]:
        ny, nx = self.settings.scene.shape
        instrument = self.settings.scene.instrument
        return {
            "instrument": instrument.name,
            "shape": [ny, nx],
            "seed": self.settings.seed,
            "scene": self.number,
            "exposure_time": instrument.cadence.exposure_time,
            "zero_point": instrument.photometry.zero_point,
            "width_arcsec": self.scene.width_arcsec,
            "sky": self.scene.sky,
            "density": self.scene.density,
            "note": "x, y 0-based; stars beyond the frame's edge shine into it; flux per exposure",
        }

    def _row(self, index: int, exposure: Exposure) -> FrameRow:
        settings = self.settings
        cadence = settings.scene.instrument.cadence
        step = (self.number - 1) * settings.realisations + index
        start = settings.start_mjd_tai + step * cadence.interval / SECONDS_PER_DAY
        stem = self.name if settings.realisations == 1 else f"{self.name}-r{index + 1:03d}"
        return FrameRow(
            file=f"{stem}.fits" + (".fz" if settings.compress else ""),
            truth=self.truth.name,
            scene=self.number,
            realisation=index + 1,
            mjd_start_tai=start,
            mjd_mid_tai=start + 0.5 * cadence.exposure_time / SECONDS_PER_DAY,
            density=self.scene.density,
            width=self.scene.width_arcsec,
            sky=self.scene.sky,
            psf_scale=exposure.width,
            psf_e1=exposure.ellipticity[0],
            psf_e2=exposure.ellipticity[1],
        )

    def _writer(self, exposure: Exposure) -> FrameWriter:
        told = {"nominal": self.scene.telescope.nominal, "none": None}
        kind = self.settings.psf_extension
        return FrameWriter(
            instrument=self.settings.scene.instrument,
            wcs=self.wcs,
            psf=described(exposure.psf) if kind == "true" else told[kind],
            detectors=1,
            compress=self.settings.compress,
            origin="csstream simulate frames",
        )

    def _facts(self, row: FrameRow) -> FrameFacts:
        return FrameFacts(
            file=row.file,
            visit=(self.number - 1) * self.settings.realisations + row.realisation,
            detector=1,
            mjd_start_tai=row.mjd_start_tai,
            mjd_mid_tai=row.mjd_mid_tai,
            dither_x=0.0,
            dither_y=0.0,
            psf_scale=row.psf_scale,
            zero_point=self.settings.scene.instrument.photometry.zero_point,
        )


def _write_rows(rows: list[FrameRow], path: Path) -> Path:
    columns: dict[str, list[Any]] = {name: [] for name in asdict(rows[0])}
    for row in rows:
        for name, value in asdict(row).items():
            columns[name].append(value)
    return write_table(Table(columns), path, FRAME_UNITS)
