"""The processes of a run: their command lines and settings."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from csstream.instruments.instrument import Instrument, load_instrument
from csstream.run.brokers import LOOPBACK
from csstream.run.options import Places, RunOptions
from csstream.run.supervisor import Program, csstream_command
from csstream.runtime.settings import ServiceSettings

SERVICES = ("detection", "lightcurves", "classifier")
SIMULATOR, PUBLISHER, REFERENCE = "simulator", "publisher", "reference"
# downstream last: what is sent is still read
STOP_ORDER = (SIMULATOR, REFERENCE, PUBLISHER, *SERVICES)

MIRROR_FWHM = 5.0
FWHM_OF_R80 = 1.2  # of a diffraction core sampled by pixels of half its width


def service_program(
    service: str, options: RunOptions, places: Places, broker: ServiceSettings, port: int
) -> Program:
    """Return a service's program; it answers ``/readyz`` on ``port``."""
    environment = {
        "CSSTREAM_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "CSSTREAM_TOPIC_PREFIX": broker.topic_prefix,
        "CSSTREAM_INSTANCE_ID": f"run-{service}",
        "CSSTREAM_METRICS_PORT": str(port),
        "CSSTREAM_METRICS_HOST": LOOPBACK,
        **own_settings(options, places)[service],
    }
    return Program(
        name=service, command=csstream_command("serve", service), environment=environment
    )


def own_settings(options: RunOptions, places: Places) -> dict[str, dict[str, str]]:
    """Return the variables that each service has for itself."""
    roots = [str(root) for root in frame_roots(options, places)]
    radius = mirror_radius(load_instrument(options.instrument))
    return {
        "detection": {
            "CSSTREAM_INSTRUMENTS": json.dumps([options.instrument]),
            "CSSTREAM_METHOD": options.method,
            "CSSTREAM_PROVIDER": options.provider,
            "CSSTREAM_ALLOWED_ROOTS": json.dumps(roots),
        },
        "lightcurves": {"CSSTREAM_STATE_DIR": str(places.state / "lightcurves")},
        "classifier": {
            "CSSTREAM_PROVIDER": "cpu",  # panels are small, and bytes must repeat
            "CSSTREAM_MIRROR_RADIUS_ARCSEC": str(radius),
        },
    }


def frame_roots(options: RunOptions, places: Places) -> list[Path]:
    """Return the directories that the run's frames lie in."""
    given = [path.resolve() for path in options.exposures]
    roots = {path if path.is_dir() else path.parent for path in given}
    if options.simulated:
        roots.add(places.exposures.resolve())
    if options.reference is not None:
        roots.add(options.reference.resolve().parent)
    elif options.reference_frames:
        roots.add(places.root.resolve())
    return sorted(roots)


def mirror_radius(instrument: Instrument) -> float:
    """Return within how many arcsec a bright variable's light leaks into others: five FWHM."""
    psf = instrument.psf
    fwhm = psf.fwhm_arcsec or FWHM_OF_R80 * psf.r80_arcsec
    return round(MIRROR_FWHM * fwhm, 2)


def simulator_program(options: RunOptions, places: Places) -> Program:
    """Return the simulated telescope."""
    arguments = ["simulate", "survey", "--out", str(places.made), "--quiet"]
    arguments += ["--instrument", options.instrument, "--shape", options.shape]
    arguments += ["--frames", str(options.frames), "--seed", str(options.seed)]
    arguments += ["--span-days", str(options.span_days)]
    return Program(name=SIMULATOR, command=csstream_command(*arguments), task=True)


def reference_program(frames: Sequence[Path], options: RunOptions, places: Places) -> Program:
    """Return the builder of the reference catalogue."""
    arguments = ["reference", "build", *(str(path.resolve()) for path in frames)]
    arguments += ["-o", str(places.reference), "--instrument", options.instrument]
    arguments += ["--method", options.method, "--provider", options.provider]
    return Program(name=REFERENCE, command=csstream_command(*arguments), task=True, once=True)


def publisher_program(
    options: RunOptions, places: Places, broker: ServiceSettings, reference: Path | None = None
) -> Program:
    """Return the publisher: of the simulator's frames as they come, or of the user's files."""
    arguments = ["--instrument", options.instrument, "--quiet", "--log-level", "INFO"]
    arguments += ["--state", str(places.state / "publisher.sqlite")]
    arguments += ["--bootstrap-servers", broker.bootstrap_servers]
    arguments += ["--topic-prefix", broker.topic_prefix]
    if reference is not None:
        arguments += ["--reference", str(reference.resolve())]
    if options.simulated:
        inputs = [str(places.exposures.resolve())]
        arguments += ["--sequence", "simulated", "--watch", "--expect", str(options.frames)]
    else:
        inputs = [str(path.resolve()) for path in options.exposures]
    # frames are renamed into place whole, so there is little to wait for
    environment = {"CSSTREAM_SETTLE": "0.1", "CSSTREAM_POLL_INTERVAL": "0.1"}
    command = csstream_command("publish", *inputs, *arguments)
    return Program(name=PUBLISHER, command=command, environment=environment, task=True)


def is_ready(port: int) -> bool:
    """Return whether the service that answers on a port says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=0.5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def ready_services(ports: Mapping[str, int]) -> list[str]:
    """Return the services that are ready."""
    return [service for service, port in ports.items() if is_ready(port)]
