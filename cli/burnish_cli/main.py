"""`burnish`: the command line. Each command lives in a module that is imported when it is asked for."""

import importlib
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from burnish_cli.output import show_error
from burnish_engine import __version__
from burnish_engine.faults import diagnosed
from burnish_engine.outcome import ExitCode, exit_code

TERMINATED = 128 + signal.SIGTERM

COMMANDS = {
    "optimize": ("burnish_cli.optimize:optimize", "Make the fastest engine that keeps its answers."),
    "rewrite": (
        "burnish_cli.rewrite:rewrite",
        "Rewrite models without changing their answers, and prove it.",
    ),
    "compare": ("burnish_cli.compare:compare", "Judge whether two models give the same answers."),
    "targets": ("burnish_cli.targets:targets", "Tell what this machine is, as a fingerprint."),
    "inspect": ("burnish_cli.inspect:inspect", "Show what an engine or a model is."),
    "verify": ("burnish_cli.engines:verify", "Check every byte of an engine."),
    "pull": ("burnish_cli.engines:pull", "Fetch an engine or files from a registry."),
    "push": ("burnish_cli.engines:push", "Put an engine or files into a registry."),
    "sign": ("burnish_cli.sign:sign", "Sign an engine in a registry."),
    "report": ("burnish_cli.engines:report", "Print an engine's report."),
    "explain": ("burnish_cli.explain:explain", "Tell why an engine won, and what the others lost by."),
    "engine": ("burnish_cli.engine:engine", "Lay out an engine for another server."),
    "serve": ("burnish_cli.serve:serve", "Answer inference requests with an engine."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of a working day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module that holds the command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="burnish")
def cli() -> None:
    """Optimize models on the hardware that serves them, and prove it.

    \b
    Exit codes: 0 done · 1 unexpected failure, or models that differ · 2 wrong usage
                3 something must be changed first · 4 worth trying again
    """


def run(command: click.Command, program: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and turn every failure into a message and an exit code."""
    signal.signal(signal.SIGTERM, _on_terminate)
    try:
        # With standalone_mode off, what `Context.exit` asks for is returned; what commands return is nothing.
        code = command.main(
            args=list(arguments) if arguments is not None else None, prog_name=program, standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except ModuleNotFoundError as error:
        click.echo(missing_extra(error), err=True)
        sys.exit(ExitCode.STALLED)
    except Exception as error:
        fault = diagnosed(error)
        if fault is None:
            raise
        show_error(fault)
        sys.exit(exit_code(fault))
    sys.exit(code or ExitCode.OK)


def _on_terminate(number: int, _: object) -> NoReturn:
    """Leave as on Ctrl-C: workers end, scratch folders go. (Process 1 of a pod has no other way to end.)"""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(TERMINATED)


def missing_extra(error: ModuleNotFoundError) -> str:
    """Which extra to install when a command's libraries are not there."""
    return (
        f"error: found no module {error.name!r}, which this command needs\n"
        "  do:       install the extras that it is for, for example "
        "`pip install 'burnish[optimizer,serving,openvino]'`, or `burnish[operator]` for kubectl burnish"
    )


def main() -> NoReturn:
    """Entry point of `burnish`."""
    run(cli, "burnish")
