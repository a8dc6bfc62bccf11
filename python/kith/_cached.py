"""kith.cached: remembering what a function gave, for all processes."""

import functools


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
    def decorate(function):
        if hasattr(space, "get_or_compute"):
            results = space
        else:
            results = space.dict(name or f"cached:{function.__module__}.{function.__qualname__}",
                                 max_items=max_items, policy="sieve")

        def key_of(args, kwargs):
            if key is not None:
                return key(*args, **kwargs)
            if kwargs:
                return (*args, None, *(part for item in sorted(kwargs.items()) for part in item))
            return args[0] if len(args) == 1 and isinstance(args[0], (int, str)) else args

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
