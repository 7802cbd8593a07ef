"""Imports apprise's plugins one by one.

To find one plugin, apprise itself imports all 180 of them, which takes half a second and 25 MB.
"""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import apprise
import apprise.plugins

Plugin = type[apprise.NotifyBase]


def load_plugin(scheme: str) -> Plugin | None:
    """Import the plugin for a URL's scheme; None if apprise does not know the scheme."""
    for folder in apprise.plugins.__path__:
        for module in iter_modules([folder]):
            if _mentions(Path(folder, module.name), f'"{scheme}"') and (
                plugin := _find_plugin(f"apprise.plugins.{module.name}", scheme)
            ):
                return plugin
    return None


def _mentions(module: Path, text: str) -> bool:
    """Search the source of a module or package, which is cheaper than importing it."""
    files = module.rglob("*.py") if module.is_dir() else [module.with_suffix(".py")]
    return any(text in file.read_text(encoding="utf-8") for file in files)


def _find_plugin(module_name: str, scheme: str) -> Plugin | None:
    for value in vars(import_module(module_name)).values():
        if isinstance(value, type) and issubclass(value, apprise.NotifyBase):
            schemas = value.schemas(value)  # type: ignore[arg-type]  # as apprise itself calls it
            if scheme in schemas:
                return value
    return None
