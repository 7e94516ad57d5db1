"""What tests of more than one folder share: the checkout, and virtual environments that hold what a user would install.

Those environments see the dependencies of the running one, and nothing of this package: no test needs a network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

OURS = ("mlperf_registry", "harness")


MACHINES = Path(__file__).parent / "data" / "machines"
"""Recordings of machines."""


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Iterator[None]:
    """No test depends on where the one who runs it keeps data and systems, nor on the machine that it runs on.

    Systems lie in the working folder's systems/, where a user of the checkout writes some; so tests work elsewhere.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("working"))
        patch.setenv("PYTHONPATH", str(checkout), prepend=os.pathsep)  # of programs that tests start
        for name in os.environ:
            if name.startswith("MLPERF_") or name == "SYSTEM_NAME":
                patch.delenv(name)
        patch.setenv("MLPERF_MACHINE", str(MACHINES / "laptop.json"))
        yield


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Root of the repository."""
    return Path(__file__).resolve().parents[1]


@attrs.frozen
class Environment:
    """A virtual environment of its own, and commands in it as a user would type them somewhere else."""

    folder: Path

    @property
    def bin(self) -> Path:
        """Where its commands are."""
        return self.folder / "bin"

    def call(
        self, *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment in ``cwd``, by default the environment's own folder."""
        program, *arguments = command
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [self.bin / program, *arguments],
            cwd=cwd or self.folder,
            env={**environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def run(self, *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
        """What such a command prints on stdout; it must end well."""
        done = self.call(*command, cwd=cwd, env=env)
        assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def install(self, *what: str | Path) -> None:
        """pip install, without dependencies and without a network."""
        alone = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation")
        self.run("python", "-m", "pip", "install", *alone, *what)


@pytest.fixture(scope="session")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for sys.path with all that is installed here, but for this package in whatever form it is."""
    folder = tmp_path_factory.mktemp("dependencies")
    for installed in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for path in Path(installed).iterdir():
            # A .pth file of an editable install would bring the checkout in, its dist-info the entry points.
            if path.suffix != ".pth" and not path.name.startswith((*OURS, *(f"_{name}" for name in OURS))):
                (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def make_environment(tmp_path_factory: pytest.TempPathFactory, dependencies: Path) -> Callable[[], Environment]:
    """Makes an environment with the dependencies, outside the checkout and without this package."""

    def make() -> Environment:
        folder = tmp_path_factory.mktemp("environment")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "dependencies.pth").write_text(f"{dependencies}\n")
        return Environment(folder)

    return make


@attrs.frozen
class Distributions:
    """What would be uploaded."""

    sdist: Path
    wheel: Path
    """Built from the sdist, so that the sdist is known to be whole."""


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Distributions]:
    """Builds a project's sdist and wheel with the hatchling that is installed here."""

    def make(project: Path) -> Distributions:
        folder = tmp_path_factory.mktemp("dist")
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, project]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
        return Distributions(sdist, wheel)

    return make


@pytest.fixture(scope="session")
def distributions(checkout: Path, build: Callable[[Path], Distributions]) -> Distributions:
    """This package's sdist and wheel."""
    return build(checkout)
