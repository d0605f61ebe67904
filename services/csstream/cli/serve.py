"""``csstream serve``: run one service in the foreground; every setting is a flag and a variable."""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from typer.core import TyperGroup

from csstream.runtime.settings import ServiceSettings

SERVICES: Final = {
    "detection": (
        "DetectionSettings",
        "Measure all stars of announced exposures.\n\nReads the topic exposures; verifies each "
        "claim check, finds stars, fits them jointly, and writes measurements and "
        "exposure-reports. Start as many as there are detectors' partitions.",
    ),
    "lightcurves": (
        "LightcurvesSettings",
        "Accumulate light curves and cut panels.\n\nReads measurements, keeps its state in "
        "RocksDB and a changelog topic, and writes lightcurves. Needs a data directory of its own.",
    ),
    "classifier": (
        "ClassifierSettings",
        "Search light curves for variable stars and send alerts.\n\nReads lightcurves; writes "
        "alerts, alerts-latest and verdicts.",
    ),
}
FOOT: Final = (
    "Each option may also be given as a variable: --metrics-port is CSSTREAM_METRICS_PORT. "
    "With --metrics-port the service answers /metrics, /healthz and /readyz. SIGTERM lets it "
    "finish the message in hand. Logs are JSON lines on stderr."
)
SIMPLE: Final = (str, int, float, bool, Path)


class ServiceGroup(TyperGroup):
    """The services; the settings of one are imported when it is called, not before."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(SERVICES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return service_command(cmd_name) if cmd_name in SERVICES else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Services"):
            formatter.write_dl([(n, text.split("\n")[0]) for n, (_, text) in SERVICES.items()])


app = typer.Typer(
    cls=ServiceGroup,
    help=f"Run one service in the foreground.\n\n{FOOT}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def group() -> None:
    """Run one service in the foreground."""


def settings_class(service: str) -> type[ServiceSettings]:
    """Import the settings of a service."""
    module = importlib.import_module(f"csstream.{service}.settings")
    found: type[ServiceSettings] = getattr(module, SERVICES[service][0])
    return found


def serve(service: str, given: dict[str, Any]) -> int:
    """Run a service until it ends; return its exit code."""
    kind = settings_class(service)
    try:
        settings = kind(**given)
    except ValidationError as error:
        raise typer.BadParameter(complaint(error)) from error
    main: Callable[[ServiceSettings], int] = importlib.import_module(f"csstream.{service}.app").main
    return main(settings)


def complaint(error: ValidationError) -> str:
    """Return what is wrong with the settings, one line each."""
    lines = []
    for item in error.errors():
        name = "_".join(str(part) for part in item["loc"][:1])
        text = f"{flag_of(name)} (or {variable_of(name)}): {item['msg']}, not {item['input']!r}"
        lines.append(text)
    return "; ".join(lines)


def flag_of(name: str) -> str:
    """Return the option of a setting."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"CSSTREAM_{name.upper()}"


def option_type(annotation: Any) -> Any | None:
    """Return the type of an option for a setting's annotation; None: no option, variable only."""
    inner = [a for a in typing.get_args(annotation) if a is not type(None)]
    origin = typing.get_origin(annotation)
    if annotation in SIMPLE:
        return annotation
    if origin in (typing.Union, types.UnionType) and len(inner) == 1:
        return option_type(inner[0])
    if origin is typing.Literal:
        return str
    if origin in (list, tuple) and inner and inner[0] in SIMPLE:
        return list[inner[0]]  # type: ignore[valid-type]
    return None


def option_parameter(name: str, field: FieldInfo) -> inspect.Parameter | None:
    """Return the parameter that typer makes an option of; None for a setting without one."""
    kind = option_type(field.annotation)
    if kind is None:
        return None
    flags = [f"{flag_of(name)}/--no-{name.replace('_', '-')}" if kind is bool else flag_of(name)]
    option = typer.Option(*flags, help=option_help(field), show_default=False)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def option_help(field: FieldInfo) -> str:
    """Return description, choices and default of a setting."""
    text = (field.description or "").rstrip(".")
    text = f"{text[:1].upper()}{text[1:]}." if text else ""
    if typing.get_origin(field.annotation) is typing.Literal:
        text += f" One of {', '.join(map(str, typing.get_args(field.annotation)))}."
    default = field.get_default(call_default_factory=True, validated_data={})
    return f"{text} Default: {default_text(default)}.".strip()


def default_text(value: Any) -> str:
    """Return a default for people."""
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value) or "none"
    return "none" if value is None or value == "" else str(value)


def service_command(service: str) -> Any:
    """Return the click command of a service, with an option for each of its settings."""
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name=service, help=SERVICES[service][1], epilog=FOOT)(_function(service))
    return typer.main.get_command(single)


def _function(service: str) -> Callable[..., None]:
    """Return a function with one keyword per setting, for typer to read."""

    def command(**options: Any) -> None:
        given = {name: value for name, value in options.items() if value not in (None, [])}
        raise typer.Exit(serve(service, given))

    fields = settings_class(service).model_fields
    parameters = [p for n, f in fields.items() if (p := option_parameter(n, f)) is not None]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command
