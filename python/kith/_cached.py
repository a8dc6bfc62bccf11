"""kith.cached: remembering what a function gave, for all processes."""

import functools
import os
import sys

from kith._core import Dict, Space

_COROUTINE = 0x80 | 0x200  # in the flags of its code: inspect has them, and is slow to import


def _module_of(function):
    """Its module's name, by which the programs that share it find the same results.

    A program's main module is __main__, and __mp_main__ in those that it spawns; so is that of any
    other program.  It goes by what it would be imported as.
    """
    module = function.__module__
    if module not in ("__main__", "__mp_main__"):
        return module
    main = sys.modules.get(module)
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name
    path = getattr(main, "__file__", None)
    return "__main__" if path is None else os.path.splitext(os.path.basename(path))[0]


def _key_of(args, kwargs):
    """A key of the arguments that no other arguments have."""
    if kwargs:
        return ((args, tuple(sorted(kwargs.items()))),)  # one pair
    if len(args) == 1:
        if isinstance(args[0], (int, str)):
            return args[0]
        if isinstance(args[0], tuple):
            return (args,)  # one tuple of one
    return args


def cached(space, ttl=None, *, stale=None, name=None, max_items=0, key=None):
    """Remembers what a function gives, in a dict that all processes share.

    Of all who ask for the same arguments, in whatever process, one alone calls the function while
    the others wait for it; if it raises or dies the next does.

    space: a kith.Space, or a kith.Dict; ttl: seconds after which it is called anew; stale: seconds
    for which the old result is still given to others meanwhile; name: of the dict, otherwise made
    of the function's; max_items: results kept at most; key: a function that makes the key of the
    arguments, which otherwise have to be fit for one.

    >>> space = kith.open("mem://")
    >>> @kith.cached(space, ttl=60)
    ... def square(n):
    ...     print("squaring", n)
    ...     return n * n
    >>> square(3), square(3)
    squaring 3
    (9, 9)
    >>> square.forget(3); square(3)
    squaring 3
    9
    """
    if not isinstance(space, (Space, Dict)):
        raise TypeError("cached() needs a kith.Space or a kith.Dict, as in "
                        f"@kith.cached(space), not {type(space).__name__}")

    def decorate(function):
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & _COROUTINE:
            raise TypeError(f"{function.__qualname__}() gives a coroutine, and not what could be "
                            "kept: cache a function that it calls")
        if isinstance(space, Dict):
            results = space
        else:
            results = space.dict(name or f"cached:{_module_of(function)}.{function.__qualname__}",
                                 max_items=max_items, policy="sieve")

        def key_of(args, kwargs):
            return _key_of(args, kwargs) if key is None else key(*args, **kwargs)

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return results.get_or_compute(key_of(args, kwargs),
                                          lambda _: function(*args, **kwargs),
                                          ttl=ttl, stale=stale)

        def forget(*args, **kwargs):
            """Forgets the result for these arguments."""
            results.pop(key_of(args, kwargs), None)

        wrapper.results = results
        wrapper.forget = forget
        return wrapper
    return decorate
