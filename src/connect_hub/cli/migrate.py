"""`connect-hub migrate`: applies all migrations."""

import asyncio
from contextlib import nullcontext

import click

from connect_hub.database import embedded, migrations
from connect_hub.database.config import migration_config, serving_config
from connect_hub.settings import Settings, load


@click.command()
def migrate() -> None:
    """Apply all migrations to the database."""
    settings = load()
    with embedded.start_or_join(settings.data_dir) if settings.embedded else nullcontext():
        applied = asyncio.run(apply_migrations(settings))
    click.echo("\n".join(f"Applied {name}." for name in applied) or "The database is up to date.")


async def apply_migrations(settings: Settings) -> list[str]:
    """Apply the missing migrations, and return their names."""
    return await migrations.migrate(migration_config(settings), served_by=serving_config(settings))
