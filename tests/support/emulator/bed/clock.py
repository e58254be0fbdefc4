"""What AWS does by itself as time goes by. It is caught up with before each call that could see it."""

import time

_steps = []


def now():
    """Seconds on a clock that never goes back."""
    return time.monotonic()


def step(function):
    """Registers what is to be done, when time has passed, in an account and a Region."""
    _steps.append(function)
    return function


def catch_up(account, region):
    for function in _steps:
        function(account, region)
