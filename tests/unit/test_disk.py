"""A folder whose disk goes with the next deploy is known by what the system says of its mounts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tracker.app import create_app
from tracker.config import Config
from tracker.durable.disk import MOUNTS, why_it_goes
from tracker.storage.memory import MemoryStore

MACHINE = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw,size=24684092k
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
"""
CONTAINER = """\
612 501 0:54 / / rw,relatime master:220 - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
613 612 0:57 / /proc rw,nosuid - proc proc rw
"""
DISK = "700 612 259:3 /sessions /var/data rw,relatime shared:9 - ext4 /dev/nvme1n1 rw\n"
DISK_WITH_A_BLANK = "701 612 259:4 / /var/my\\040data rw - xfs /dev/nvme2n1 rw\n"
AT_RENDER = {"RENDER": "true"}


@pytest.mark.parametrize(
    ("mounts", "folder", "environment", "told"),
    [
        (MACHINE, "/srv/tracker", {}, None),
        (MACHINE, "/srv/tracker", {"RENDER": "false"}, None),
        (MACHINE, "/opt/render/project/src", AT_RENDER, "Render"),
        (MACHINE + DISK, "/var/data", AT_RENDER, None),
        (MACHINE + DISK, "/var/data/deeper/down", AT_RENDER, None),
        (MACHINE + DISK, "/var/database", AT_RENDER, "Render"),
        (MACHINE, "/dev/shm/sessions", {}, "memory"),
        (CONTAINER, "/app", {}, "container"),
        (CONTAINER, "/app", AT_RENDER, "container"),
        (CONTAINER + DISK, "/var/data", {}, None),
        (CONTAINER + DISK_WITH_A_BLANK, "/var/my data", {}, None),
        (DISK + DISK.replace("ext4", "overlay"), "/var/data", {}, "container"),
        ("", "/srv", AT_RENDER, None),
        ("nonsense\n", "/srv", AT_RENDER, None),
    ],
)
def test_a_folder_on_a_disk_that_does_not_stay_is_known(
    tmp_path: Path, mounts: str, folder: str, environment: dict[str, str], told: str | None
) -> None:
    (tmp_path / "mountinfo").write_text(mounts)
    found = why_it_goes(Path(folder), environment, tmp_path / "mountinfo")
    assert found is None if told is None else told in (found or "")


def test_a_system_without_a_list_of_mounts_reports_nothing(tmp_path: Path) -> None:
    assert why_it_goes(tmp_path, AT_RENDER, tmp_path / "no-mountinfo") is None


@pytest.mark.skipif(not MOUNTS.exists() or not Path("/dev/shm").is_dir(), reason="needs Linux's /dev/shm")
def test_health_and_the_log_report_a_session_file_in_memory(capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        client = create_app(Config(storage_file=Path(folder) / "sessions.json")).test_client()
        for _ in range(3):
            answer = client.get("/health")
            assert (answer.status_code, answer.get_json()["ok"]) == (200, True), "the service itself is well"
            [notice] = answer.get_json()["notices"]
            assert "memory" in notice
            assert "TRACKER_STORAGE_FILE" in notice
        assert capsys.readouterr().err.count(notice) == 1


def test_a_store_that_is_no_file_is_no_concern_of_disks() -> None:
    client = create_app(Config(storage_file=Path("/dev/shm/sessions.json")), store=MemoryStore()).test_client()
    assert "notices" not in client.get("/health").get_json()
