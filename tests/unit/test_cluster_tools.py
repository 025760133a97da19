"""The embedded cluster's tools: cgroups, ports, the build's inputs, images, progress."""

import doctest
import importlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "hack" / "cluster"))

import baseimage
import cgroups
import controlplane
import golang
import hostprocesses
import imagebuilder
import imagepush
import ports
from controlplane import Plane
from forwarder import parse_route
from golang import Binaries
from layout import Cache, ClusterError, State
from nodes import plan_nodes
from progress import Progress
from spec import Spec


@pytest.mark.parametrize(
    "name", ["baseimage", "cgroups", "cpulabels", "discovery", "forwarder", "golang", "progress"]
)
def test_examples_in_docstrings_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed


def plane(advertise: str, *, service_accounts: bool = True) -> Plane:
    return Plane(Binaries(Path("/b")), Path("/s"), "0.0.0.0", advertise, 6443, 2379, 2380, service_accounts)


def test_a_loopback_api_server_publishes_no_endpoint() -> None:
    flag = "--endpoint-reconciler-type=none"
    assert flag in controlplane.apiserver(plane("127.0.0.1"))
    assert flag not in controlplane.apiserver(plane("10.250.0.1"))


def test_pods_need_no_account_where_nobody_makes_accounts() -> None:
    flag = "--disable-admission-plugins=ServiceAccount"
    assert flag in controlplane.apiserver(plane("127.0.0.1", service_accounts=False))
    assert flag not in controlplane.apiserver(plane("127.0.0.1"))


def test_the_registry_allows_deletes() -> None:
    assert json.loads(controlplane.registry_config(Path("/r"), ":5000"))["storage"]["delete"]["enabled"]


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 21, "ä"])
def test_a_cluster_name_is_safe_as_a_folder(name: str) -> None:
    with pytest.raises(ClusterError, match="expected up to 20"):
        State.of(name)


def test_a_cluster_is_written_down_and_read_back(tmp_path: Path) -> None:
    state = State("demo", tmp_path)
    ports_used = {"api": 16443, "registry": 15000, "prometheus": 19090}
    spec = Spec("demo", plan_nodes(2, 2, 8192), ports_used, "/built", "/registry")
    spec.save(state)
    assert Spec.load(state) == spec
    assert spec.public(state)["addresses"]["host"]["registry"] == "127.0.0.1:15000"


def fake_v1(root: Path) -> None:
    (root / "memory").mkdir()
    (root / "cpuset").mkdir()
    (root / "cpuset" / "cpuset.cpus").write_text("0-3\n")
    (root / "cpuset" / "cpuset.mems").write_text("0\n")
    (root / "cpu").symlink_to("memory")  # co-mounted controllers look like this


def test_on_cgroup_v1_every_hierarchy_is_used_once(tmp_path: Path) -> None:
    fake_v1(tmp_path)
    assert [path.name for path in cgroups.hierarchies(tmp_path)] == ["cpuset", "memory"]


def test_on_cgroup_v2_there_is_one_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu memory")
    (tmp_path / "anything").mkdir()
    assert cgroups.hierarchies(tmp_path) == [tmp_path]


def test_a_process_without_an_address_space_is_not_alive() -> None:
    assert hostprocesses.alive(os.getpid())
    assert not hostprocesses.alive(2**22 + 1)
    assert {os.getpid(), os.getppid()} <= hostprocesses.ancestors(os.getpid())


def test_free_ports_are_distinct_and_out_of_the_way_of_clients() -> None:
    found = ports.free_ports(5)
    assert len(set(found)) == 5
    assert all(port in ports.QUIET_RANGE for port in found)


def test_a_taken_port_gives_way_to_the_next() -> None:
    with ports.listen_from(ports.free_ports(1)[0]) as first:
        taken = first.getsockname()[1]
        with ports.listen_from(taken) as second:
            assert second.getsockname()[1] > taken


def test_a_route_may_name_any_descriptor() -> None:
    assert parse_route("12=10.250.0.1:5000") == (12, "10.250.0.1", 5000)


def test_the_version_is_the_pinned_one_and_is_linked_in() -> None:
    version = golang.kubernetes_version((golang.MODULE / "go.mod").read_text())
    assert f"-X k8s.io/component-base/version.gitVersion=v{version}" in golang.version_flags(version)


def test_binaries_that_are_not_built_are_missed_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="hack/cluster install"):
        golang.binaries(Cache(tmp_path))


def test_half_a_build_is_not_complete(tmp_path: Path) -> None:
    built = golang.expected_binaries(Cache(tmp_path))
    built.root.mkdir(parents=True)
    built.pause.touch()
    golang.link_programs(built)
    assert not built.complete()  # the links lead nowhere
    (built.root / "kubernetes").touch()
    assert built.complete()


def test_only_debians_own_mirrors_of_the_suite_are_taken() -> None:
    listed = "\n".join(
        [
            "Debian|http://mirror/debian/|bookworm|main|Packages",
            "Debian|http://mirror/debian/|bookworm|main|Translations",
            "Debian|http://mirror/debian/|bookworm|contrib|Packages",
            "Debian|http://mirror/security/|bookworm-security|main|Packages",
            "Debian|http://mirror/debian/|trixie|main|Packages",
            "Somebody|http://elsewhere/|bookworm|main|Packages",
        ]
    )
    assert baseimage.mirror_lines(listed) == [
        "deb http://mirror/debian/ bookworm main",
        "deb http://mirror/security/ bookworm-security main",
    ]


def test_equal_content_is_packed_equally_whatever_the_file_is_called(tmp_path: Path) -> None:
    plain = tmp_path / "root.tar"
    plain.write_bytes(b"content" * 1000)
    baseimage.compress(plain, tmp_path / "a.gz")
    baseimage.compress(plain, tmp_path / "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_packed_program_is_the_same_every_time(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF" * 100)
    first = imagepush.pack_program(program, tmp_path / "one.tar.gz")
    second = imagepush.pack_program(program, tmp_path / "two.tar.gz")
    assert (first.digest, first.diff_id) == (second.digest, second.diff_id)
    assert first.digest != first.diff_id
    with tarfile.open(first.path) as archive:
        assert archive.getmember("pause").mode == 0o755


def test_a_manifest_points_at_what_is_pushed(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"program")
    layer = imagepush.pack_program(program, tmp_path / "layer.tar.gz")
    config = imagepush.image_config(layer, {"Entrypoint": ["/pause"]})
    content = json.loads(imagepush.manifest(layer, config))
    assert content["config"]["digest"] == imagepush.sha256(config)
    assert content["layers"][0]["digest"] == layer.digest
    assert json.loads(config)["rootfs"]["diff_ids"] == [layer.diff_id]


def test_builds_trust_the_machines_authorities(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    assert imagebuilder.with_trust(["bud", "."], bundle) == ["bud", "."]
    bundle.touch()
    assert imagebuilder.with_trust(["bud", "."], bundle)[1].startswith(f"--volume={bundle}:/etc/ssl")
    assert imagebuilder.with_trust(["push", "x"], bundle) == ["push", "x"]


def test_steps_are_numbered_timed_and_told_when_cached_or_failed() -> None:
    out = io.StringIO()
    with Progress(3, out) as progress:
        with progress.step("packages") as step:
            step.cached = True
        with progress.step("build"):
            pass
        with pytest.raises(ValueError, match="no"), progress.step("broken"):
            raise ValueError("no")
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["[1/3]", "[2/3]", "[3/3]"]
    assert [line.rsplit(". ", 1)[1] for line in lines] == ["cached", "0.0 s", "failed"]
