"""The engine cache: built once, explained, never used damaged."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest

from mlperf_registry import plugins
from mlperf_registry.execute.engine_cache import find_engine, get_engine
from mlperf_registry.execute.recipe import expanded_key, key_of
from mlperf_registry.schema.engine import Engine, Recipe
from mlperf_registry.schema.problem import NotReady, RunFailed


class Builder:
    """Writes its recipe's values, and one line for each build into a log beside the cache."""

    version = 1

    def build(self, recipe, folder):
        with (folder.parent / "builds.log").open("a") as log:
            log.write("built\n")
        (folder / "engine.bin").write_text(json.dumps(recipe.values))
        (folder / "plan.json").write_text('{"library_version": "1.0"}')
        (folder / "parts").mkdir()
        (folder / "parts" / "weights").write_text("weights")
        (folder / "build.log").write_text("It went well.")
        return "engine.bin"


class Naming(Builder):
    def room(self, recipe, model_bytes):
        return 0


class Telling(Builder):
    tell = None

    def build(self, recipe, folder):
        if self.tell is not None:
            self.tell("A value has no effect.")
        return super().build(recipe, folder)


class Failing(Builder):
    fails = True

    def build(self, recipe, folder):
        if not self.fails:
            return super().build(recipe, folder)
        (folder / "build.log").write_text("Tactic 7 needs 9 GiB.")
        raise RunFailed("No tactic was found.")


class Forgetful:
    version = 1

    def build(self, recipe, folder):
        return "engine.bin"


@pytest.fixture(autouse=True)
def builders(monkeypatch):
    known = {f"fake:{cls.__name__}": cls for cls in (Builder, Naming, Telling, Failing, Forgetful)}
    monkeypatch.setattr(plugins, "load", known.__getitem__)


@pytest.fixture
def recipe(tmp_path_factory):
    model = tmp_path_factory.mktemp("model") / "model.onnx"
    model.write_bytes(bytes(100))
    return Recipe(
        backend="fake",
        library_version="1.0",
        builder="fake:Builder",
        builder_version=1,
        device="x86_64",
        model_path=str(model),
        model_sha256="ab" * 32,
        values={"builder.precision": {"resnet50": "fp32"}, "backend.options.level": "full"},
        at_default=("backend.options.level",),
    )


def builds(folder: Path) -> int:
    return len((folder / "builds.log").read_text().splitlines())


def test_the_second_request_is_served_from_the_cache(tmp_path, recipe):
    first, second = get_engine(tmp_path, recipe), get_engine(tmp_path, recipe)
    assert (first.reused, second.reused) == (False, True)
    assert first.key == second.key and builds(tmp_path) == 1


def test_a_forced_build_builds_again(tmp_path, recipe):
    get_engine(tmp_path, recipe)
    assert not get_engine(tmp_path, recipe, force=True).reused
    assert builds(tmp_path) == 2


def test_a_miss_names_what_changed(tmp_path, recipe):
    get_engine(tmp_path, recipe)
    changed = attrs.evolve(recipe, values={**recipe.values, "builder.precision": {"resnet50": "int8"}})
    assert find_engine(tmp_path, changed) == (
        'rebuilding: builder.precision {"resnet50": "fp32"} -> {"resnet50": "int8"}'
    )


@pytest.mark.parametrize("damage", [b"", b"something else"])
def test_a_damaged_or_truncated_engine_is_seen_and_rebuilt(tmp_path, recipe, damage):
    engine = get_engine(tmp_path, recipe)
    (Path(engine.path) / engine.file).write_bytes(damage)
    again = get_engine(tmp_path, recipe)
    assert not again.reused and "damaged" in again.why
    assert get_engine(tmp_path, recipe).reused


@pytest.mark.parametrize("name", ["plan.json", "parts/weights"])
@pytest.mark.parametrize(
    ("damage", "said"), [(Path.unlink, "is missing"), (lambda path: path.write_text("{}"), "does not have the digest")]
)
def test_whatever_lies_beside_the_engine_file_is_seen_and_rebuilt_too(tmp_path, recipe, name, damage, said):
    engine = get_engine(tmp_path, recipe)
    damage(Path(engine.path, name))
    again = get_engine(tmp_path, recipe)
    assert not again.reused and f"damaged: {name} {said}" in again.why
    assert get_engine(tmp_path, recipe).reused


def test_a_builders_log_is_no_part_of_the_engine(tmp_path, recipe):
    Path(get_engine(tmp_path, recipe).path, "build.log").unlink()
    assert get_engine(tmp_path, recipe).reused


def changed(record: str, change) -> str:
    content = json.loads(record)
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: "",
        lambda record: "{}",
        lambda record: "[]",
        lambda record: changed(record, lambda content: content.update(file="plan.json")),
        lambda record: changed(record, lambda content: content["files"].pop("plan.json")),
        lambda record: changed(record, lambda content: content["expanded_key"].update(device="aarch64")),
    ],
)
def test_a_record_that_was_changed_is_a_miss(tmp_path, recipe, damage):
    path = Path(get_engine(tmp_path, recipe).path, "engine-key.json")
    path.write_text(damage(path.read_text()))
    assert "engine-key.json is not as it was written" in str(find_engine(tmp_path, recipe))
    assert not get_engine(tmp_path, recipe).reused
    assert get_engine(tmp_path, recipe).file == "engine.bin"


def test_a_record_of_an_older_version_is_a_miss_and_no_damage(tmp_path, recipe):
    engine = get_engine(tmp_path, recipe)
    older = {"key": engine.key, "file": engine.file, "sha256": engine.sha256, "expanded_key": expanded_key(recipe)}
    Path(engine.path, "engine-key.json").write_text(json.dumps(older))
    why = get_engine(tmp_path, recipe).why
    assert "was written by an older version" in why and "damaged" not in why
    assert get_engine(tmp_path, recipe).reused


def test_an_engine_that_another_process_puts_in_place_just_now_is_found(tmp_path, recipe, monkeypatch):
    home = Path(get_engine(tmp_path, recipe).path)
    aside = home.rename(tmp_path / ".aside")
    glob = Path.glob

    def late(folder, pattern):  # what a look does that found nothing
        if aside.exists():
            aside.rename(home)
        return glob(folder, pattern)

    monkeypatch.setattr(Path, "glob", late)
    assert isinstance(find_engine(tmp_path, recipe), Engine)


def test_an_engine_in_another_ones_folder_is_a_miss(tmp_path, recipe):
    other = attrs.evolve(recipe, device="aarch64")
    shutil.copytree(get_engine(tmp_path, recipe).path, tmp_path / key_of(expanded_key(other)))
    assert not get_engine(tmp_path, other).reused


@pytest.mark.parametrize("name", ["engine-key.json", "plan.json"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path, recipe, name):
    path = Path(get_engine(tmp_path, recipe).path, name)
    path.unlink()
    os.mkfifo(path)
    assert f"{name} is missing" in str(find_engine(tmp_path, recipe))
    assert isinstance(find_engine(tmp_path, attrs.evolve(recipe, device="aarch64")), str)
    assert not get_engine(tmp_path, recipe).reused


def linked(home: Path) -> None:
    (home.parent / "elsewhere").mkdir()
    home.symlink_to(home.parent / "elsewhere")


@pytest.mark.parametrize(
    "place", [linked, lambda home: home.symlink_to("nowhere"), lambda home: home.write_text(""), Path.mkdir]
)
def test_what_lies_in_an_engines_place_gives_way(tmp_path, recipe, place):
    home = tmp_path / key_of(expanded_key(recipe))
    place(home)
    assert not get_engine(tmp_path, recipe).reused
    assert get_engine(tmp_path, recipe).reused and not home.is_symlink()
    assert {path.name for path in tmp_path.iterdir()} <= {home.name, f".{home.name}.lock", "builds.log", "elsewhere"}


def test_what_a_build_that_was_killed_left_is_gone_after_the_next(tmp_path, recipe):
    key = key_of(expanded_key(recipe))
    for name in (f".{key}.6aip2273", f".{key}.old.6aip2273"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "engine.bin").write_text("half")
    other = tmp_path / f".{'0' * 16}.6aip2273"
    other.mkdir()  # of a build that goes on
    get_engine(tmp_path, recipe)
    assert sorted(path.name for path in tmp_path.glob(".*")) == [other.name, f".{key}.lock"]


def test_a_cache_that_may_only_be_read_is_used(tmp_path, recipe, monkeypatch):
    get_engine(tmp_path, recipe)

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert get_engine(tmp_path, recipe).reused


def test_a_new_field_at_its_default_keeps_old_keys(recipe):
    grown = attrs.evolve(
        recipe, values={**recipe.values, "builder.new": False}, at_default=(*recipe.at_default, "builder.new")
    )
    assert key_of(expanded_key(grown)) == key_of(expanded_key(recipe))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("library_version", "2"),
        ("builder_version", 2),
        ("device", "aarch64"),
        ("model_sha256", "cd"),
        ("at_default", ()),
    ],
)
def test_what_can_change_the_engine_is_in_the_key(recipe, field, value):
    assert key_of(expanded_key(attrs.evolve(recipe, **{field: value}))) != key_of(expanded_key(recipe))


def test_where_the_model_lies_is_not_in_the_key(recipe):
    assert key_of(expanded_key(attrs.evolve(recipe, model_path="/other"))) == key_of(expanded_key(recipe))


def test_a_builder_that_leaves_nothing_fails_and_leaves_no_engine(tmp_path, recipe):
    recipe = attrs.evolve(recipe, builder="fake:Forgetful")
    with pytest.raises(RunFailed, match="left no engine file"):
        get_engine(tmp_path, recipe)
    assert not isinstance(find_engine(tmp_path, recipe), Engine)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_failed_builders_log_is_kept_until_a_build_succeeds(tmp_path, recipe, monkeypatch):
    failing = attrs.evolve(recipe, builder="fake:Failing")
    with pytest.raises(RunFailed) as failure:
        get_engine(tmp_path, failing)
    log = tmp_path / f"{key_of(expanded_key(failing))}.failed.log"
    assert str(failure.value) == f"No tactic was found. The builder's log: {log}"
    assert log.read_text() == "Tactic 7 needs 9 GiB."
    monkeypatch.setattr(Failing, "fails", False)
    assert isinstance(get_engine(tmp_path, failing), Engine)
    assert not log.exists()


def test_a_disk_without_room_for_the_engine_is_said_before_the_builder_can_blame_the_model(
    tmp_path, recipe, monkeypatch
):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10 << 20))
    with pytest.raises(NotReady, match=r"10 MiB free, and an engine may take 64"):
        get_engine(tmp_path, recipe)
    assert not (tmp_path / "builds.log").exists()


def test_a_checkpoints_folder_needs_room_unless_the_engine_only_names_it(tmp_path, recipe, monkeypatch):
    folder = Path(recipe.model_path).parent / "checkpoint"
    (folder / "part").mkdir(parents=True)
    for place in ("one.safetensors", "part/two.safetensors"):
        with (folder / place).open("wb") as file:
            file.truncate(50 << 20)
    recipe = attrs.evolve(recipe, model_path=str(folder))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100 << 20))
    with pytest.raises(NotReady, match=r"100 MiB free, and an engine may take 164"):
        get_engine(tmp_path, recipe)
    get_engine(tmp_path, attrs.evolve(recipe, builder="fake:Naming"))


def test_a_wait_for_another_process_is_told(tmp_path, recipe):
    told = []
    key = key_of(expanded_key(recipe))
    with (tmp_path / f".{key}.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def tell(sentence):
            told.append(sentence)
            fcntl.flock(other, fcntl.LOCK_UN)

        get_engine(tmp_path, recipe, tell=tell)
    assert told == ["Waiting for another process that builds this engine."]
    get_engine(tmp_path, recipe, tell=tell)
    assert len(told) == 1


def test_what_a_builder_says_of_its_recipe_is_told_when_it_builds(tmp_path, recipe):
    told = []
    recipe = attrs.evolve(recipe, builder="fake:Telling")
    for _ in range(2):
        get_engine(tmp_path, recipe, tell=told.append)
    assert told == ["A value has no effect."]
    get_engine(tmp_path, recipe, force=True)


def _get(folder, recipe, started):
    started.wait()
    get_engine(folder, recipe)


def test_two_processes_build_one_engine(tmp_path, recipe):
    context = multiprocessing.get_context("fork")
    started = context.Barrier(3)
    racers = [context.Process(target=_get, args=(tmp_path, recipe, started)) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(timeout=30)
        assert racer.exitcode == 0
    assert builds(tmp_path) == 1
