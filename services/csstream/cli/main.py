"""``csstream``: one command line; each command is imported when it is called, not before."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

import typer
from typer.core import TyperGroup

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("csstream.cli.run:command", "Run the whole chain, from frames to alerts and report."),
    "detect": ("csstream.cli.detect:command", "Measure all stars of one FITS frame."),
    "bound": ("csstream.cli.bound:command", "Compute the smallest errors that photons allow."),
    "reference": (
        "csstream.cli.reference:app",
        "Make, look at and compare the fixed list of a field's stars.",
    ),
    "evaluate": ("csstream.cli.evaluate:app", "Compare measurements with known truth."),
    "examine": ("csstream.cli.examine:command", "Look for variable stars in light curves."),
    "alerts": ("csstream.cli.alerts:command", "Read alerts as they come."),
    "publish": ("csstream.cli.publish:command", "Announce FITS exposures."),
    "simulate": ("csstream.cli.simulate:app", "Make exposures with known truth."),
    "serve": ("csstream.cli.serve:app", "Run one service."),
    "lightcurves": ("csstream.cli.lightcurves:app", "Export or rebuild light curves."),
    "topics": ("csstream.cli.topics:app", "Create and check the Kafka topics."),
    "dead-letters": ("csstream.cli.dead_letters:app", "List, show and replay dead letters."),
    "train": ("csstream.cli.train:app", "Train the networks."),
}


def load_command(name: str) -> Any:
    """Import the command called ``name`` and make it one that typer can call.

    The target in ``COMMANDS`` is a ``typer.Typer`` or a plain function with typer annotations.
    """
    target, summary = COMMANDS[name]
    module_name, attribute = target.split(":")
    found: Any = getattr(importlib.import_module(module_name), attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False, rich_markup_mode=None)
        found.command(name=name)(function)
    command = typer.main.get_command(found)
    command.name = name
    command.help = command.help or summary
    return command


class LazyGroup(TyperGroup):
    """A group whose commands live in ``COMMANDS`` until they are called.

    Contexts and commands are typed as Any: typer brings its own copy of click from 0.26 on.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # the rich help would import every command
)


@app.callback()
def root() -> None:
    """Variable-star alerts from dense star fields, while the frames arrive."""


def main() -> None:
    """Entry point of the ``csstream`` program; errors made for people come without traceback."""
    from csstream.contracts.errors import CsstreamError

    try:
        app()
    except CsstreamError as error:
        typer.echo(f"csstream: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
