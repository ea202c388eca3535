"""Formula command: a command of the command line whose argument is a formula."""

from __future__ import annotations

import re

import click


class FormulaCommand(click.Command):
    """A command whose FORMULA may begin with a minus: ``-tanh(x)`` is no cluster of options.

    Only an option's full name is one; so a value is not attached to a short name (``-o FILE``).
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_value = {
            name: not option.is_flag
            for option in self.get_params(ctx)
            if isinstance(option, click.Option)
            for name in option.opts
        }
        options: list[str] = []
        formulas: list[str] = []
        rest = list(args)
        while rest:
            argument = rest.pop(0)
            if argument == "--":
                formulas += rest
                break
            if takes_value.get(argument) and not rest:
                # Said here, since the parser would take our own "--" below for the value.
                raise click.BadOptionUsage(argument, f"Option {argument!r} requires an argument.", ctx)
            if argument in takes_value:
                options += [argument, *(rest[:1] if takes_value[argument] else [])]
                del rest[: takes_value[argument]]
            elif _LIKE_AN_OPTION.match(argument):
                options.append(argument)
            else:
                formulas.append(argument)
        return super().parse_args(ctx, [*options, "--", *formulas] if formulas else options)


# ``--domain=0,oo``, and misspelt ones, which click answers with the nearest name.
_LIKE_AN_OPTION = re.compile(r"--[a-z][a-z-]+(=|$)")
