"""apprise's plugins, imported one by one.

apprise imports all of its 180 plugins to find one, which takes half a second and 25 MB.
"""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import apprise
import apprise.plugins

Plugin = type[apprise.NotifyBase]


def plugin_of(scheme: str) -> Plugin | None:
    """Import the plugin of a URL's scheme; None where apprise does not know the scheme."""
    for folder in apprise.plugins.__path__:
        for module in iter_modules([folder]):
            if _mentions(Path(folder, module.name), f'"{scheme}"') and (
                plugin := _plugin_in(f"apprise.plugins.{module.name}", scheme)
            ):
                return plugin
    return None


def _mentions(module: Path, text: str) -> bool:
    """Look into the source of a module or package: cheaper than to import it."""
    files = module.rglob("*.py") if module.is_dir() else [module.with_suffix(".py")]
    return any(text in file.read_text(encoding="utf-8") for file in files)


def _plugin_in(name: str, scheme: str) -> Plugin | None:
    module = import_module(name)
    found = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, apprise.NotifyBase)
    )
    # apprise calls it on the class, too: it reads nothing else.
    return next((one for one in found if scheme in one.schemas(one)), None)  # type: ignore[arg-type]
