"""Time the rendering of a dense field: this package, GalSim on the same stars, and torch.

    python benchmarks/rendering.py [--shape 1000] [--seed 901] [--galsim-stars 1000]

The pinned scene: the instrument's typical density, its nominal PSF. Every row is the best of
three runs, in seconds of one core (of the clock for a GPU). GalSim and torch are timed where they
are installed, a GPU where there is one. GalSim draws the first of the same stars with stamps of
the same width, once by Fourier transform of the optical profile and once by interpolation of our
own table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter, process_time

import numpy as np

from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import ARCSEC_PER_RADIAN, encircled_energy
from csstream.instruments.instrument import Instrument, load_instrument
from csstream.simulation.detector import ALL_EFFECTS, draw_defects, expose
from csstream.simulation.frames import render_expectation, stamp_half_widths
from csstream.simulation.scenes import Scene, draw_scene, pinned_settings

ROUNDS = 3


def main() -> None:
    """Print a table of stars and megapixels per second."""
    arguments = _arguments()
    instrument = load_instrument(arguments.instrument)
    shape = (arguments.shape, arguments.shape)
    settings = replace(pinned_settings(instrument), shape=shape)
    scene = draw_scene(settings, np.random.SeedSequence(arguments.seed))
    psf = scene.telescope.nominal
    stars = len(scene.catalogue)
    print(f"{stars} stars, {stars / np.prod([s + 160 for s in shape]):.4f} per pixel, {shape} px")
    print(f"{'':44s} {'s':>8s} {'stars/s':>10s} {'Mpx/s':>7s}")
    image = _ours(scene, psf, instrument)
    _galsim(scene, psf, instrument, arguments.galsim_stars)
    _torch(scene, psf, image)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--instrument", default="csst-i", help="name or TOML file")
    parser.add_argument("--shape", type=int, default=1000, help="side of the frame [pixel]")
    parser.add_argument("--seed", type=int, default=901)
    parser.add_argument("--galsim-stars", type=int, default=1000, help="drawn by GalSim")
    return parser.parse_args()


def _ours(scene: Scene, psf: PixelPsf, instrument: Instrument) -> np.ndarray:
    shape, stars = scene.settings.shape, len(scene.catalogue)

    def expectation() -> np.ndarray:
        return render_expectation(scene.catalogue, scene.flux, psf, shape, scene.background)

    image = expectation()
    _report("csstream, expectation", _best(expectation), stars, image.size)
    rng = np.random.default_rng(1)
    defects = draw_defects(rng, shape, ALL_EFFECTS)
    expose(rng, image, instrument, effects=ALL_EFFECTS, defects=defects)
    seconds = _best(lambda: expose(rng, image, instrument))
    _report("csstream, photon and read noise", seconds, stars, image.size)
    seconds = _best(lambda: expose(rng, image, instrument, effects=ALL_EFFECTS, defects=defects))
    _report("csstream, noise and all effects", seconds, stars, image.size)
    return image


def _galsim(scene: Scene, psf: PixelPsf, instrument: Instrument, count: int) -> None:
    try:
        import galsim
    except ImportError:
        print("GalSim is not installed: its rows are left out (the extra csstream[train])")
        return
    _optics(scene, instrument)
    inside = np.flatnonzero(scene.catalogue.inside(scene.settings.shape))[:count]
    stars, flux = scene.catalogue.take(inside), scene.flux[inside]
    half = stamp_half_widths(flux, psf)
    ours = np.zeros(scene.settings.shape)
    seconds = _best(lambda: psf.render(ours, stars.x, stars.y, flux, half))
    ours /= ROUNDS
    _report(f"csstream, {len(stars)} of the stars", seconds, len(stars), 0)
    profiles = {"FFT": _profile(instrument), "table": _tabulated(psf, instrument)}
    for name, (profile, method) in profiles.items():
        drawn = galsim.ImageD(*scene.settings.shape[::-1], scale=1.0, xmin=0, ymin=0)
        started = process_time()
        for x, y, light, h in zip(stars.x, stars.y, flux, half, strict=True):
            stamp = galsim.BoundsI(round(x) - h, round(x) + h, round(y) - h, round(y) + h)
            part = drawn[stamp & drawn.bounds]
            centre = galsim.PositionD(x, y)
            profile.withFlux(light).drawImage(part, method=method, center=centre, add_to_image=True)
        seconds = process_time() - started
        _report(f"GalSim by {name}, the same stars", seconds, len(stars), 0)
        worst = np.abs(drawn.array - ours).max() / ours.max()
        print(f"{'':4s}largest difference {worst:.1e} of the brightest pixel")


def _optics(scene: Scene, instrument: Instrument) -> None:
    """Time the PSF that varies over the field: four tables a star."""
    if instrument.psf.model != "diffraction":
        return
    settings = replace(scene.settings, optics="galsim")
    varied = draw_scene(settings, np.random.SeedSequence(1))
    psf = varied.telescope.at(1.0, (0.0, 0.0))
    arguments = (scene.catalogue, scene.flux, psf, settings.shape, scene.background)
    size = int(np.prod(settings.shape))
    seconds = _best(lambda: render_expectation(*arguments))
    _report("csstream, expectation, optics over the field", seconds, len(scene.catalogue), size)


def _profile(instrument: Instrument):
    """GalSim's own profile of the instrument's PSF, in pixels, and how to draw it."""
    import galsim

    shape, scale = instrument.psf, instrument.detector.pixel_scale_arcsec
    if shape.model == "moffat":
        return galsim.Moffat(beta=shape.beta, fwhm=shape.fwhm_arcsec / scale), "auto"
    diffraction = shape.wavelength_nm * 1e-9 / shape.aperture_m * ARCSEC_PER_RADIAN / scale
    sigmas = np.linspace(0.05, 2.0, 800)
    radius = shape.r80_arcsec / scale
    energies = [encircled_energy(radius, 1.0 / diffraction, sigma) for sigma in sigmas]
    sigma = float(np.interp(-0.8, -np.array(energies), sigmas))
    airy = galsim.Airy(lam_over_diam=diffraction)
    return galsim.Convolve(airy, galsim.Gaussian(sigma=sigma)), "auto"


def _tabulated(psf: PixelPsf, instrument: Instrument):
    """Our pixel-integrated table as a profile of GalSim, and how to draw it."""
    import galsim

    image = galsim.ImageD(psf.samples.copy(), scale=1.0 / psf.oversampling)
    return galsim.InterpolatedImage(image, x_interpolant="cubic", flux=1.0), "no_pixel"


def _torch(scene: Scene, psf: PixelPsf, image: np.ndarray) -> None:
    try:
        import torch

        from csstream.trainer.scene_rendering import SceneRenderer
    except ImportError:
        print("torch is not installed: its rows are left out (the extra csstream[train])")
        return
    torch.set_num_threads(1)
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    stars, shape = scene.catalogue, scene.settings.shape
    for device in devices:
        renderer = SceneRenderer(psf, shape, device)

        def run(renderer: SceneRenderer = renderer) -> float:
            return float(renderer.render(stars.x, stars.y, scene.flux).sum())  # waits for a GPU

        run()
        name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        clock = perf_counter if device == "cuda" else process_time
        _report(f"torch on {name}, expectation", _best(run, clock), len(stars), image.size)
        drawn = renderer.render(stars.x, stars.y, scene.flux).cpu().numpy()
        worst = np.abs(drawn + scene.background - image).max()
        print(f"{'':4s}largest difference {worst:.2f} electron (stamps against whole tables)")
    if "cuda" not in devices:
        print("no GPU: its row is left out")


def _best(function: Callable[[], object], clock: Callable[[], float] = process_time) -> float:
    times = []
    for _ in range(ROUNDS):
        started = clock()
        function()
        times.append(clock() - started)
    return min(times)


def _report(name: str, seconds: float, stars: int, pixels: int) -> None:
    megapixels = f"{pixels / seconds / 1e6:7.2f}" if pixels else ""
    print(f"{name:44s} {seconds:8.3f} {stars / seconds:10.0f} {megapixels}")


if __name__ == "__main__":
    main()
