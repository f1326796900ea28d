"""The errors that `cartarget` raises: what is wrong, where, what was expected, what to do."""

from __future__ import annotations


class CartargetError(Exception):
    """Any error that `cartarget` raises on purpose; its message ends with the fix."""


class InputError(CartargetError, ValueError):
    """A file or a table breaks its format; the message names the file and the line or key."""


class ConfigError(CartargetError, ValueError):
    """The configuration cannot be used; the message names the key and the nearest right one."""


class GateError(CartargetError, ValueError):
    """A gate cannot be parsed or evaluated; the message shows where."""
