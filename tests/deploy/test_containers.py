"""The Dockerfile and docker-compose.yml, which no test can run: held against the rules, the settings and the code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import jsonschema
from check_jsonschema.builtin_schemas import get_builtin_schema
from daphne.cli import CommandLineInterface
from django.core.management import get_commands

from collectors.supervisor import CLOSE_SECONDS, STOP_SECONDS
from dataprovider import healthy
from dataprovider.config import Config, load_config
from tests.deploy.reading import ROOT, UNITS, VARIABLE, commands, compose, dockerfile, ours, seconds, unit

#: What a process that was told to stop may need at most.
DRAIN_SECONDS = STOP_SECONDS + CLOSE_SECONDS


def test_the_compose_file_is_one_by_the_specification() -> None:
    jsonschema.validate(compose(), get_builtin_schema("vendor.compose-spec"))


def test_what_the_compose_file_refers_to_is_there() -> None:
    whole = compose()
    volumes = [mount.split(":")[0] for service in whole["services"].values() for mount in service.get("volumes", [])]
    assert set(volumes) == set(whole["volumes"])
    for name, service in whole["services"].items():
        for other, how in service.get("depends_on", {}).items():
            watched = "test" in whole["services"][other].get("healthcheck", {})
            assert watched or how["condition"] == "service_completed_successfully", (name, other)
        assert "memory" in service["deploy"]["resources"]["limits"], name
        assert "healthcheck" in service, name
    published = {name for name, service in whole["services"].items() if "ports" in service}
    assert published == {"web"}


def test_settings_of_containers_and_units_are_ours_and_valid(tmp_path: Path) -> None:
    for service in ours().values():
        given = {key: VARIABLE.sub("secret1", value) for key, value in service["environment"].items()}
        assert set(map(str.lower, given)) <= set(Config.model_fields)
        config = load_config(given, tmp_path)
        assert config.has_services
        assert config.clickhouse_password == "secret1"
        assert config.database_url == "postgresql://dataprovider:secret1@postgres:5432/dataprovider"
    for name in ("web", "collectors"):
        for assignment in shlex.split(unit(name)["Environment"][0]):
            assert assignment.split("=")[0].lower() in {*Config.model_fields, "pythonunbuffered"}


def test_one_env_file_names_every_variable_of_the_compose_file() -> None:
    explained = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    for name, other in VARIABLE.findall((ROOT / "docker-compose.yml").read_text()):
        assert name in explained
        assert other in ("set it in .env", explained[name]), name
    assert {service["env_file"] for service in ours().values()} == {".env"}


def test_every_command_is_one_that_exists() -> None:
    parser = CommandLineInterface().parser
    run = set()
    for python, *arguments in commands():
        assert python == "python"
        if arguments[0] == "manage.py":
            assert arguments[1] in get_commands()
            run.add(arguments[1])
        elif arguments[:2] == ["-m", "daphne"]:
            assert parser.parse_args(arguments[2:]).application == "dataprovider.asgi:application"
            run.add("daphne")
        else:
            assert arguments[:2] == ["-m", healthy.__name__]
            assert arguments[2:] in (["web", "8080"], ["collectors"])
    assert run == {"prepare", "runcollectors", "daphne"}


def test_a_stop_leaves_time_to_drain() -> None:
    assert seconds(ours()["collectors"]["stop_grace_period"]) > DRAIN_SECONDS
    assert seconds(unit("collectors")["TimeoutStopSec"][0]) > DRAIN_SECONDS


def test_the_image_holds_the_application_and_nothing_else() -> None:
    lines = dockerfile()
    installs = [arguments for instruction, arguments in lines if "pip install" in arguments]
    assert len(installs) == 1
    assert installs[0].endswith("-r requirements.txt")
    stages = [index for index, (instruction, _) in enumerate(lines) if instruction == "FROM"]
    last = lines[stages[-1] :]
    users = [arguments for instruction, arguments in last if instruction == "USER"]
    assert users[-1] not in ("root", "0")
    copied = {
        source
        for instruction, arguments in lines
        if instruction == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    }
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert "**/__pycache__" in ignored
    assert all((ROOT / source).exists() for source in copied)
    assert not copied & {".", ".env", "var", "tests"}
    # Every package of ours is in it.
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"} <= copied


def test_the_health_check_of_the_image_is_the_web_s() -> None:
    (check,) = [arguments for instruction, arguments in dockerfile() if instruction == "HEALTHCHECK"]
    assert json.loads(check[check.index("[") :]) == ours()["web"]["healthcheck"]["test"][1:]
    assert sorted(path.name for path in UNITS.glob("*.service")) == [
        "dataprovider-collectors.service",
        "dataprovider-web@.service",
    ]
