"""Objects whose attributes are settings: one that does not exist is named in a warning instead of being kept in silence."""

from __future__ import annotations

from typing import Any

from azureml.core._warnings import warn


class Settings:
    _complete = False  # set at the end of the constructor

    def __setattr__(self, name: str, value: Any) -> None:
        if self._complete and not name.startswith("_") and name not in self.__dict__ and not hasattr(type(self), name):
            reason = getattr(self, "_missing", {}).get(name)
            known = sorted({each for each in [*vars(self), *(n for cls in type(self).__mro__ for n, v in vars(cls).items() if isinstance(v, property))]
                            if not each.startswith("_")})  # fmt: skip
            warn(f"{type(self).__name__} has no setting '{name}' here, so it has no effect; " + (reason or f"it has {', '.join(known)}"))
        object.__setattr__(self, name, value)
