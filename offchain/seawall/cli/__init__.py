"""The command line: `seawall demo`, `backtest`, `keeper`, `inspect`, `certificate`, `explain`, `stress` and others.

Exit codes: 0 done, 1 unexpected, 2 bad input or usage, 3 wait and retry, 4 stop and page someone, 130 interrupted.
Whatever Seawall raises on purpose is one line on standard error, with the fix; `SEAWALL_DEBUG=1` shows the traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from seawall import __version__
from seawall.cli.admin import config_group, deploy_command, doctor_command
from seawall.cli.analysis import explain_command, stress_command
from seawall.cli.backtest import backtest_command
from seawall.cli.certificate import certificate_command
from seawall.cli.inspect import inspect_group
from seawall.cli.record import record_command
from seawall.cli.run import demo_command, keeper_group
from seawall.errors import InputError, RetryLater, SeawallError, StopError

__all__ = [
    "EXIT_INTERRUPTED",
    "EXIT_RETRY",
    "EXIT_STOP",
    "EXIT_UNEXPECTED",
    "EXIT_USAGE",
    "exit_code",
    "main",
    "root",
]

EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_RETRY = 3
EXIT_STOP = 4
EXIT_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="seawall")
def root() -> None:
    """Dynamic initial margin for on-chain derivatives.

    Exit codes: 0 done, 1 unexpected, 2 bad input, 3 wait and retry, 4 stop and page someone.
    """


root.add_command(demo_command)
root.add_command(backtest_command)
root.add_command(keeper_group)
root.add_command(inspect_group)
root.add_command(certificate_command)
root.add_command(explain_command)
root.add_command(stress_command)
root.add_command(record_command)
root.add_command(deploy_command)
root.add_command(doctor_command)
root.add_command(config_group)


def exit_code(error: SeawallError) -> int:
    """Return what the process says to its caller about an error."""
    if isinstance(error, InputError):
        return EXIT_USAGE
    if isinstance(error, RetryLater):
        return EXIT_RETRY
    return EXIT_STOP if isinstance(error, StopError) else EXIT_UNEXPECTED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    debug = os.environ.get("SEAWALL_DEBUG", "") not in {"", "0"}
    try:
        given = None if arguments is None else list(arguments)
        result = root.main(args=given, prog_name="seawall", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.Abort:
        return _complain("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" Fix: see `{context.command_path} --help`" if context else ""
        return _complain(error.format_message().rstrip(".") + "." + hint, EXIT_USAGE)
    except SeawallError as error:
        if debug:
            raise
        return _complain(str(error), exit_code(error))
    except KeyboardInterrupt:
        return _complain("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away; there is nobody to tell
        return 0
    except Exception as error:
        if debug:
            raise
        detail = " ".join(str(error).split())[:300]
        return _complain(
            f"unexpected {type(error).__name__}: {detail}. Fix: report it with the traceback (SEAWALL_DEBUG=1)",
            EXIT_UNEXPECTED,
        )


def _complain(message: str, code: int) -> int:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    return code
