"""Where YAML lies: conf/ of this package, the users' systems, and what plug-ins bring.

A checkout's own conf/ comes first: an editable install must not read a stale copy in site-packages.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from mlperf_registry.schema.problem import NotReady

SYSTEMS_VARIABLE = "MLPERF_SYSTEMS_PATH"
SCRATCH_VARIABLE = "MLPERF_SCRATCH_PATH"

NO_SOURCE = "its configuration does not say where to get it"

Kind = Literal["file", "folder"]

_PACKAGE = Path(__file__).resolve().parent


def conf_root() -> Path:
    """The folder with config.yaml: beside the package in a checkout, inside it after a wheel install.

    Raises:
        NotReady: when neither is there, which means a broken installation.
    """
    for candidate in (_PACKAGE.parent / "conf", _PACKAGE / "conf"):
        if (candidate / "config.yaml").is_file():
            return candidate
    raise NotReady(f"No conf/config.yaml beside or inside {_PACKAGE}: reinstall the package.")


def system_roots(environ: Mapping[str, str], *, working_dir: Path, given: tuple[Path, ...] = ()) -> tuple[Path, ...]:
    """Folders with the user's system YAML, strongest first: ``--systems``, $MLPERF_SYSTEMS_PATH, ./systems."""
    named = [Path(part) for part in environ.get(SYSTEMS_VARIABLE, "").split(os.pathsep) if part]
    roots = (*given, *named, working_dir / "systems")
    return tuple(dict.fromkeys(root.resolve() for root in roots if root.is_dir()))


def user_cache_folder(environ: Mapping[str, str]) -> Path:
    """Where this user's caches of ours lie: below $XDG_CACHE_HOME, by default below ~/.cache."""
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mlperf-registry"


def package_file(location: str) -> Path | None:
    """The file that ``package:<package>/<path>`` names, or None where ``location`` has another form.

    Only top-level packages are named, so that finding the file imports no code.

    Raises:
        NotReady: when the package is not installed.
    """
    if not location.startswith("package:"):
        return None
    package, _, path = location.removeprefix("package:").partition("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotReady(f"{location}: the package {package!r} is not installed. Install it, or change the path.")
    return Path(next(iter(spec.submodule_search_locations))) / path


def resolve_path(location: str | None, scratch: Path | None, *, source: str, kind: Kind | None = None) -> Path:
    """The absolute path of a model or data location of the config.

    Args:
        location: ``package:...``, an absolute path, or a path relative to the scratch space; None where none is known.
        scratch: the scratch space, where one is set.
        source: where to get what is missing, for the error.
        kind: what must lie there; None: either.

    Raises:
        NotReady: when no path is known, it is relative and there is no scratch space, nothing lies there, or it is of
            the other kind or may not be read.
    """
    if location is None:
        raise NotReady(
            f"No path of the model or the data is set. Get it: {source or NO_SOURCE}. Then set model.path or data.path."
        )
    path = package_file(location) or Path(location)
    if not path.is_absolute():
        if scratch is None:
            raise NotReady(
                f"{location} lies in the scratch space, and ${SCRATCH_VARIABLE} is not set. Set it to the folder that "
                f"holds data/, models/ and preprocessed_data/, and put there {location}: {source or NO_SOURCE}"
            )
        path = scratch / path
    with readable(path):
        if not path.exists():
            raise NotReady(f"{path} is missing. Get it: {source or NO_SOURCE}. Put it at {path}.")
        if kind is not None:
            _require(kind, path)
    return path


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Looks into ``path``, or at it: where the system refuses that, it is a sentence.

    Raises:
        NotReady: in place of an OSError.
    """
    try:
        yield
    except PermissionError as error:
        raise NotReady(_unreadable(Path(error.filename or path))) from error
    except OSError as error:
        raise NotReady(f"{path} cannot be read ({error.strerror}): set another path, or mend this one.") from error


def _unreadable(path: Path) -> str:
    return f"{path} may not be read by this user: change its permissions."


def _require(kind: Kind, path: Path) -> None:
    if kind == "file" and not path.is_file():
        raise NotReady(f"{path} is no file, and a file belongs there: set the path of the file itself.")
    if kind == "folder" and not path.is_dir():
        raise NotReady(f"{path} is a file, and the folder of a checkpoint belongs there: set the path of the folder.")
    if not os.access(path, os.R_OK if kind == "file" else os.R_OK | os.X_OK):
        raise NotReady(_unreadable(path))
