"""A PSF on a grid of field points: mixing, rendering, stretching, describing by polynomials."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from csstream.imaging.psf.pixel_psf import PsfError
from csstream.imaging.psf.profiles import moffat_psf
from csstream.instruments.instrument import load_instrument
from csstream.simulation.frames import stamp_half_widths
from csstream.simulation.optics import Aberrations, OpticsError, draw_coefficients, draw_optics
from csstream.simulation.optics_field import OpticsField, stretched


@pytest.fixture(scope="module")
def field():
    widths = np.linspace(2.0, 3.6, 9)
    nodes = tuple(moffat_psf(w, 3.0, 4, 24, (0.02 * k, -0.01)) for k, w in enumerate(widths))
    return OpticsField(nodes, np.array([0.0, 50.0, 100.0]), np.array([0.0, 40.0, 80.0]))


def test_nodes_are_themselves_and_the_edge_goes_on(field):
    assert np.allclose(field.at(50.0, 80.0).samples, field.nodes[7].samples)
    assert np.allclose(field.at(500.0, -70.0).samples, field.nodes[2].samples)
    middle = 0.25 * sum(field.nodes[k].samples for k in (0, 1, 3, 4))
    assert np.allclose(field.at(25.0, 20.0).samples, middle)
    assert np.allclose(field.weights([3.0, 60.0, 99.0], [1.0, 2.0, 77.0]).sum(axis=1), 1.0)


def test_render_is_the_local_psf_of_each_star(field):
    x, y = np.array([20.3, 61.8, 99.0]), np.array([15.2, 70.4, 33.3])
    flux = np.array([1000.0, 500.0, 2000.0])
    image, expected = np.zeros((81, 101)), np.zeros((81, 101))
    field.render(image, x, y, flux, 20)
    for star in zip(x, y, flux, strict=True):
        field.at(star[0], star[1]).render(expected, *star, 20)
    assert np.abs(image - expected).max() < 1e-9 * expected.max()
    assert stamp_half_widths([100.0, 1e6], field).tolist() == [16, 24]


def test_a_star_keeps_its_flux(field):
    image = np.zeros((81, 101))
    field.render(image, 47.3, 40.1, 1000.0, 24)
    assert image.sum() == pytest.approx(1000.0, rel=2e-3)


def test_polynomial_describes_a_smooth_field(field):
    poly = field.polynomial(2)
    assert poly.degree == 2
    for x, y in ((10.0, 10.0), (50.0, 40.0), (90.0, 61.0)):
        wanted = field.at(x, y).samples
        assert np.abs(poly.at(x, y).samples - wanted).max() < 0.03 * wanted.max()
    plane = OpticsField(field.nodes[:1] * 4, np.array([0.0, 9.0]), np.array([0.0, 9.0]))
    assert plane.polynomial(2).degree == 1
    assert np.allclose(plane.polynomial(2).at(3.0, 4.0).samples, field.nodes[0].samples)


def test_stretching_widens_and_elongates():
    psf = moffat_psf(3.0, 3.0, 4, 24)
    wider = stretched(psf, 1.02, (0.0, 0.0))
    assert wider.fwhm / psf.fwhm == pytest.approx(1.02, abs=5e-4)
    assert wider.samples.sum() / 16 == pytest.approx(1.0)
    along = stretched(psf, 1.0, (0.03, 0.0))
    assert float(along.evaluate(2.0, 0.0)) > float(along.evaluate(0.0, 2.0))
    exact = moffat_psf(3.0, 3.0, 4, 24, (0.03, 0.0))
    assert np.abs(along.samples - exact.samples).max() < 2e-3 * exact.samples.max()


def test_a_grid_that_does_not_fit_is_named(field):
    with pytest.raises(PsfError, match="tables"):
        OpticsField(field.nodes[:2], field.x_nodes, field.y_nodes)
    with pytest.raises(PsfError, match="rise"):
        OpticsField(field.nodes, field.x_nodes[::-1], field.y_nodes)


def test_coefficients_have_their_rms_and_change_over_the_field():
    wanted = Aberrations(defocus=0.02, coma=0.0)
    u = np.array([-1.0, 0.0, 1.0])
    drawn = [
        draw_coefficients(np.random.default_rng(k), wanted, u, np.zeros(3)) for k in range(400)
    ]
    middle = np.array([each[1]["defocus"] for each in drawn])
    assert middle.std() == pytest.approx(0.02, rel=0.1)
    assert all(node["coma1"] == 0.0 for each in drawn for node in each)
    assert np.std([each[2]["defocus"] - each[0]["defocus"] for each in drawn]) > 0.012


def test_missing_galsim_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(OpticsError, match="GalSim"):
        draw_optics(np.random.default_rng(1), load_instrument("csst-i"), (64, 64), r80_arcsec=0.132)


def test_a_moffat_telescope_has_no_aberrations():
    with pytest.raises(OpticsError, match="diffraction"):
        draw_optics(np.random.default_rng(1), load_instrument("ogle4-i"), (64, 64), r80_arcsec=1.0)
