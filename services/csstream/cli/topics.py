"""``csstream topics``: make, compare and list the declared topics."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from csstream.cli.options import Bootstrap, Prefix, settings_from, table_console
from csstream.contracts.topics import Topic, load_topics
from csstream.runtime.admin import Difference, check_topics, create_topics
from csstream.runtime.kafka import make_admin
from csstream.runtime.settings import ServiceSettings

app = typer.Typer(
    help="Create and check the Kafka topics.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Partitions = Annotated[
    int | None,
    typer.Option(min=1, help="Of the topics partitioned by sky cell. [default: topics.yaml]"),
]
Replication = Annotated[
    int | None, typer.Option(min=1, help="Replication factor. [default: topics.yaml]")
]


@app.command()
def create(
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    partitions: Partitions = None,
    replication_factor: Replication = None,
) -> None:
    """Make the topics that are not there; those that are there stay as they are."""
    settings = _settings(bootstrap_servers, topic_prefix, partitions)
    made = create_topics(admin := make_admin(settings), _declared(settings, replication_factor))
    admin.close()
    for name, new in made.items():
        typer.echo(f"{'created' if new else 'exists '}  {name}")


@app.command()
def check(
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    partitions: Partitions = None,
    replication_factor: Replication = None,
) -> None:
    """Compare the broker's topics with the declaration; ends with 1 where they differ."""
    settings = _settings(bootstrap_servers, topic_prefix, partitions)
    declared = _declared(settings, replication_factor)
    differences = check_topics(admin := make_admin(settings), declared)
    admin.close()
    if differences:
        table_console().print(_difference_table(differences))
        raise typer.Exit(1)
    typer.echo(f"{len(declared)} topics are as declared")


@app.command(name="list")
def list_topics(topic_prefix: Prefix = None, partitions: Partitions = None) -> None:
    """Show the declared topics; asks no broker."""
    table = Table("topic", "partitions", "kept", "largest message [byte]", "key", "record")
    for topic in load_topics(topic_prefix or "", partitions=partitions):
        size = str(topic.max_message_bytes)
        table.add_row(
            topic.name, str(topic.partitions), _kept(topic), size, topic.key, topic.record
        )
    table_console().print(table)


def _settings(
    bootstrap_servers: str | None, topic_prefix: str | None, partitions: int | None
) -> ServiceSettings:
    return settings_from(
        ServiceSettings,
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
        partitions=partitions,
    )


def _declared(settings: ServiceSettings, replication_factor: int | None) -> list[Topic]:
    return list(
        load_topics(
            settings.topic_prefix,
            partitions=settings.partitions,
            replication_factor=replication_factor,
        )
    )


def _difference_table(differences: list[Difference]) -> Table:
    table = Table("topic", "what", "declared", "found")
    for difference in differences:
        table.add_row(*difference)
    return table


def _kept(topic: Topic) -> str:
    if topic.cleanup_policy == "compact":
        return "newest of each key"
    return "for ever" if topic.retention_ms < 0 else f"{topic.retention_ms / 3_600_000:g} h"
