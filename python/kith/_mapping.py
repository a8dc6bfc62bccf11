"""keys(), items() and values() of a dict, of which an iteration is as of one instant."""

from collections import abc


class KeysView(abc.KeysView):
    """The keys of a kith.Dict or a kith.Snapshot."""

    __slots__ = ()

    def __iter__(self):
        return iter(self._mapping)

    def __reversed__(self):
        return reversed(list(self._mapping))


class ItemsView(abc.ItemsView):
    """Its (key, value) pairs."""

    __slots__ = ()

    def __iter__(self):
        return iter(self._mapping._items())

    def __reversed__(self):
        return reversed(self._mapping._items())


class ValuesView(abc.ValuesView):
    """Its values."""

    __slots__ = ()

    def __contains__(self, value):
        return value in self._mapping._values()

    def __iter__(self):
        return iter(self._mapping._values())

    def __reversed__(self):
        return reversed(self._mapping._values())
