"""`celery -A proj monitor`: Flower with the tab, or the same figures in the terminal or over HTTP."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import click
from celery.bin.base import CeleryCommand, CeleryOption

from celery_monitor.errors import MonitorError
from celery_monitor.web import plugin

# Celery imports this for every one of its commands, so here is nothing heavy; `arm` makes Flower show the tab
# also when the Monitor is made after Flower was imported.
plugin.arm()

_FLOWER_OPTIONS: Final = "celery_monitor.flower_options"
_WIDEST: Final = 100
_COLOURS: Final = {
    "ok": "green",
    "running": "blue",
    "warning": "yellow",
    "critical": "red",
    "lost": "magenta",
    "stale": "bright_black",
    "stopped": "bright_black",
    "empty": "bright_black",
}


class _FlowerOrSubcommand(click.Group):
    """A group whose options, when no subcommand is named, are Flower's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            ctx.meta[_FLOWER_OPTIONS] = tuple(args)
            args = []
        return super().parse_args(ctx, args)


@click.group(cls=_FlowerOrSubcommand, invoke_without_command=True)
@click.pass_context
def monitor(ctx: click.Context, /, **_: Any) -> None:
    """Flower with the Monitor tab; its options follow. Or a subcommand: status, serve.

    With an app (-A proj) that has a Monitor everything is as its settings say. With a broker alone
    (-b redis://...) the broker is read, and the namespace found in it.
    """
    if ctx.invoked_subcommand is None:
        _run_flower(ctx, ctx.meta.get(_FLOWER_OPTIONS, ()))


@monitor.command(cls=CeleryCommand)
@click.option("--window", default="1h", show_default=True, cls=CeleryOption, help="1m to 92d, like 15m, 6h or 7d.")
@click.option("--json", "as_json", is_flag=True, cls=CeleryOption, help="The JSON API's /summary instead.")
@click.option("--namespace", cls=CeleryOption, help="Of which fleet, when the app does not say.")
@click.pass_context
def status(ctx: click.Context, /, window: str, *, as_json: bool, namespace: str | None, **_: Any) -> None:
    """Show the overview: state, throughput, failures, percentiles, queues, workers."""
    summary = _said(lambda: _monitor(ctx, namespace).reader().summary(window=window))
    if as_json:
        click.echo(json.dumps(summary, indent=2))
        return
    render = import_module("celery_monitor.cli.status").render
    width = min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    colours = sys.stdout is not None and sys.stdout.isatty() and not ctx.obj.no_color
    click.echo(render(summary, _coloured if colours else _plain, width), color=colours)


@monitor.command(cls=CeleryCommand)
@click.option("--host", default="127.0.0.1", show_default=True, cls=CeleryOption, help="Address to listen on.")
@click.option(
    "--port", default=9808, show_default=True, type=click.IntRange(0, 65535), cls=CeleryOption,
    help="Port to listen on; 0 for any that is free.",
)  # fmt: skip
@click.option("--no-tick", is_flag=True, cls=CeleryOption, help="Only serve; never fold or judge.")
@click.option("--namespace", cls=CeleryOption, help="Of which fleet, when the app does not say.")
@click.pass_context
def serve(ctx: click.Context, /, host: str, port: int, *, no_tick: bool, namespace: str | None, **_: Any) -> None:
    """Serve /metrics and the JSON API without Flower; tick when neither beat nor its agent does."""
    run = import_module("celery_monitor.cli.serve").run
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    _said(lambda: run(_monitor(ctx, namespace), host, port, tick=not no_tick, tell=click.echo))


def _run_flower(ctx: click.Context, options: tuple[str, ...]) -> None:
    try:
        flower = import_module("flower.command").flower
    except ModuleNotFoundError as error:
        if error.name not in ("flower", "tornado"):
            raise
        raise click.ClickException(
            "Flower is not installed, and the tab lives in it: pip install 'celery-monitor[flower]'. "
            "Without it there are `monitor status` and `monitor serve`."
        ) from error
    _said(lambda: _monitor(ctx, None))
    ctx.invoke(flower, tornado_argv=options)


def _monitor(ctx: click.Context, namespace: str | None) -> Any:
    """Return the app's Monitor, one made for reading when it has none.

    Raises:
        ConfigurationError: settings are wrong, or it is not clear which namespace is meant.
    """
    return import_module("celery_monitor.cli.attach").attach(ctx.obj.app, namespace)


def _said(action: Callable[[], Any]) -> Any:
    """Return what an action returns; an error of ours ends the command with one line."""
    try:
        return action()
    except MonitorError as error:
        raise click.ClickException(str(error)) from error


def _coloured(text: str, state: str) -> str:
    return click.style(text, fg=_COLOURS.get(state), bold=True if state == "critical" else None)


def _plain(text: str, state: str) -> str:  # noqa: ARG001 - a style takes both
    return text
