"""docker-compose.yml against the code: modules, variables, ports, addresses, paths, options."""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from harness import CHECKOUT
from harness.postgres import SETTINGS as POSTGRES_SETTINGS
from harness.stack_settings import USUAL_PORTS, VARIABLES
from loadtests.options import add_options
from target_app.settings import Settings, read_settings
from target_app.stations import STEPS
from target_app.twins import mailbox, photos, registry
from target_app.twins.settings import from_environment
from tests.packaging.containers import (
    FILE,
    PROFILES,
    addresses,
    compose,
    environment,
    listens_on,
    module,
    option,
    services,
)

SYSTEM = {"database", "registry", "mailbox", "photos", "service", "worker"}
OBSERVE, LOAD = {"prometheus", "grafana"}, {"load-master", "load-worker"}
TWINS = {"registry": registry, "mailbox": mailbox, "photos": photos}


@pytest.mark.parametrize(
    ("profiles", "more"),
    list(zip(PROFILES, (set[str](), OBSERVE, LOAD, OBSERVE | LOAD), strict=True)),
)
def test_compose_accepts_every_profile(profiles: tuple[str, ...], more: set[str]) -> None:
    """The real program, profile by profile: what is not in one is not looked at."""
    answer = compose("config", "--quiet", profiles=profiles)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert services(profiles).keys() == SYSTEM | more


def test_a_planted_fault_shows_only_in_its_profile(tmp_path: Path) -> None:
    """Which is why every profile is tried."""
    path = tmp_path / "docker-compose.yml"
    path.write_text(FILE.read_text().replace("depends_on: [prometheus]", "depends_on: [nobody]"))
    assert compose("config", "--quiet", file=path).returncode == 0
    answer = compose("config", "--quiet", file=path, profiles=("observe",))
    assert answer.returncode != 0
    assert "nobody" in answer.stderr


def test_the_file_fits_composes_schema() -> None:
    """As published with the specification."""
    tool = str(Path(sys.executable).parent / "check-jsonschema")
    command = [tool, "--builtin-schema", "vendor.compose-spec", str(FILE)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_every_module_that_is_run_exists() -> None:
    """Service, worker and all twins run as their own container."""
    modules = {name: module(service) for name, service in services().items()}
    run = {name: found for name, found in modules.items() if found}
    assert run.keys() == SYSTEM - {"database"}
    assert [name for name in run.values() if find_spec(name) is None] == []
    assert run["registry"] == registry.__name__


class Asked(dict[str, str]):
    """An environment that remembers what was looked up."""

    looked_up: set[str]

    def get(self, key: str, default: object = None) -> str | None:  # type: ignore[override]
        self.looked_up.add(key)
        return super().get(key) or (default if isinstance(default, str) else None)


def asked(given: Mapping[str, str]) -> Asked:
    found = Asked(given)
    found.looked_up = set()
    return found


@pytest.mark.parametrize("name", ["service", "worker"])
def test_every_variable_of_the_system_is_one_that_it_reads(name: str) -> None:
    """A variable that nobody reads would be a setting that does nothing."""
    given = asked(environment(services()[name]))
    read_settings(given)
    assert given.keys() - given.looked_up == set()


@pytest.mark.parametrize("name", TWINS)
def test_every_variable_of_a_twin_is_one_that_it_reads(name: str) -> None:
    """And its values are good ones."""
    given = environment(services()[name])
    assert given.keys() <= {variable for variable, _, _ in TWINS[name].FIELDS.values()}
    assert from_environment(TWINS[name].FIELDS, given)["host"] == "0.0.0.0"  # noqa: S104 - inside


def test_without_settings_of_ones_own_it_is_what_the_code_has_by_default() -> None:
    """Only addresses and secrets differ from those of a process that was told nothing."""
    found = read_settings(environment(services()["service"]))
    worker = read_settings(environment(services()["worker"]))
    same = replace(
        Settings(database_url=found.database_url), host=found.host, secret=found.secret,
        admin_token=found.admin_token, photo_secret=found.photo_secret,
        registry_url=found.registry_url, photos_url=found.photos_url, smtp_host=found.smtp_host,
        capacity_extra=found.capacity_extra,
    )  # fmt: skip
    assert found == same
    assert replace(worker, capacity_extra=found.capacity_extra) == same
    for name, twin in TWINS.items():
        given = from_environment(twin.FIELDS, environment(services()[name]))
        plain = from_environment(twin.FIELDS, {"SURGE_PHOTO_SECRET": found.photo_secret.decode()})
        assert {**given, "host": ""} == {**plain, "host": ""}


def test_a_setting_from_outside_bears_the_name_that_surge_serve_has_for_it() -> None:
    """${SURGE_POOL:-8} and `--set pool=8` are the same knob."""
    outside = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    others = {
        "SURGE_DATABASE_PASSWORD", "SURGE_SECRET", "SURGE_PHOTO_SECRET", "SURGE_ADMIN_TOKEN",
        "SURGE_SCENARIO", "SURGE_LOAD_WORKERS", "GRAFANA_PASSWORD",
    }  # fmt: skip
    assert outside - set(VARIABLES.values()) == others


def test_ports_are_the_usual_ones() -> None:
    """Those that `surge serve` takes, so that every page of the docs is right for both."""
    found = services()
    assert {name: listens_on(name, found[name]) for name in SYSTEM - {"database"}} == {
        "service": {USUAL_PORTS.service, USUAL_PORTS.metrics},
        "worker": {USUAL_PORTS.worker_metrics},
        "registry": {USUAL_PORTS.registry},
        "mailbox": {USUAL_PORTS.smtp, USUAL_PORTS.mailbox},
        "photos": {USUAL_PORTS.photos},
    }


def test_ports_are_published_on_the_loopback_only() -> None:
    """And each is one on which somebody listens inside."""
    for name, service in services().items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1"
            assert int(port["published"]) == port["target"]
            assert port["target"] in listens_on(name, service)


def test_every_address_is_one_on_which_a_container_listens() -> None:
    """In variables, commands and health checks; PUBLIC_URL is what the host publishes."""
    found = services()
    listening = {(name, port) for name in found for port in listens_on(name, found[name])}
    seen = set()
    for name, service in found.items():
        here = {("127.0.0.1", port) for port in listens_on(name, service)}
        here |= {("127.0.0.1", USUAL_PORTS.service)}
        check = (service.get("healthcheck") or {}).get("test", [])
        parts = [*environment(service).values(), *(service.get("command") or []), *check]
        told = {pair for part in parts for pair in addresses(str(part))}
        assert told <= listening | here, name
        seen |= told
    given = environment(found["service"])
    assert (given["SURGE_SMTP_HOST"], int(given["SURGE_SMTP_PORT"])) in listening
    assert {host for host, _ in seen} >= SYSTEM


def test_health_checks_ask_for_pages_that_exist() -> None:
    """/readyz of the service, /healthz of the others."""
    paths = {
        name: re.search(r":\d+/(\w+)'", " ".join(service["healthcheck"]["test"]))
        for name, service in services(()).items()
        if name != "database"
    }
    found = {name: path and path[1] for name, path in paths.items()}
    assert found == {**dict.fromkeys(SYSTEM - {"database"}, "healthz"), "service": "readyz"}
    assert {"readyz", "healthz"} <= set(STEPS)


def test_capacity_tells_a_campaign_where_everything_is() -> None:
    """By the names that a container of Locust can reach."""
    told = json.loads(environment(services()["service"])["SURGE_CAPACITY_EXTRA"])
    assert told["metrics"].keys() == {"service", "worker", "registry", "mailbox", "photos"}
    assert told["mailbox"] == f"http://mailbox:{USUAL_PORTS.mailbox}"
    assert told["photos"] == environment(services()["service"])["SURGE_PHOTOS_URL"]


def test_prometheus_scrapes_containers_where_they_listen() -> None:
    """Each job has the name of its container, but for the generator's."""
    found = services()
    config = yaml.safe_load((CHECKOUT / "grafana" / "prometheus.yml").read_text())
    for job in config["scrape_configs"]:
        host, port = job["static_configs"][0]["targets"][0].split(":")
        assert host == {"generator": "load-master"}.get(job["job_name"], job["job_name"])
        assert int(port) in listens_on(host, found[host])
    mounts = {mount["target"] for mount in found["prometheus"]["volumes"]}
    told = option(found["prometheus"], "config.file")
    needed = {told, *(f"{Path(told).parent}/{name}" for name in config["rule_files"])}
    assert needed <= mounts


def test_grafana_finds_its_data_source_and_its_dashboard() -> None:
    """Provisioned from the checkout: nobody has to click anything."""
    found = services()
    mounts = {mount["target"]: Path(mount["source"]) for mount in found["grafana"]["volumes"]}
    provisioning = mounts["/etc/grafana/provisioning"]
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())
    host, port = addresses(source["datasources"][0]["url"]).pop()
    assert port in listens_on(host, found[host])
    provider = yaml.safe_load((provisioning / "dashboards" / "surge.yml").read_text())
    folder = provider["providers"][0]["options"]["path"]
    home = Path(environment(found["grafana"])["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == folder
    assert (mounts[folder] / home.name).is_file()


def test_whatever_is_mounted_from_the_checkout_is_there() -> None:
    """And can't be written from inside."""
    binds = [m for s in services().values() for m in s.get("volumes", []) if m["type"] == "bind"]
    assert len(binds) == 4
    assert [mount for mount in binds if not Path(mount["source"]).exists()] == []
    assert all(mount["read_only"] for mount in binds)


def test_postgresql_runs_as_surge_serve_runs_it() -> None:
    """What is not set here is PostgreSQL's own default."""
    command = services()["database"]["command"]
    given = dict(part[2:].split("=") for part in command if part.startswith("-c"))
    defaults = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    assert given | defaults == POSTGRES_SETTINGS


def test_images_of_others_are_pinned_and_name_no_place() -> None:
    """A version each; where images come from is the affair of whoever runs this."""
    images = {name: s["image"] for name, s in services().items() if "build" not in s}
    assert images.keys() == {"database", "prometheus", "grafana"}
    for image in images.values():
        assert re.fullmatch(r"(?:[a-z]+/)?[a-z]+:v?\d+\.\d+(?:\.\d+)?", image)


def test_own_processes_have_no_rights_that_they_do_not_need() -> None:
    """Nothing to write but a scratch folder and runs/, no capability, no way to get one."""
    own = [service for service in services().values() if "build" in service]
    assert len(own) == 7
    for service in own:
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_locust_knows_every_option_that_it_is_given() -> None:
    """Its own ones, and those of the locustfile."""
    ours = argparse.ArgumentParser()
    add_options(ours)
    command = [sys.executable, "-m", "locust", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"--[\w-]+", said + ours.format_help()))
    for name in LOAD:
        locust, *options = services()[name]["command"]
        assert locust == "locust"
        assert {part.partition("=")[0] for part in options} <= known
        assert (CHECKOUT / option(services()[name], "locustfile")).is_file()
    assert option(services()["load-worker"], "master-host") == "load-master"
    expected = int(option(services()["load-master"], "expect-workers"))
    assert services()["load-worker"]["deploy"]["replicas"] == expected
