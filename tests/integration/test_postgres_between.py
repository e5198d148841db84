"""What may stand between the service and its data: a pooler, and a standby that takes over. For `--thorough`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from testing.gunicorn_server import wait_until
from testing.postgres_server import PostgresAddress, PostgresServer
from testing.shoppers import adds, names
from tracker.sessions.store import SessionStore, StoreError
from tracker.storage import migrate, open_store

pytestmark = pytest.mark.thorough


def write_from_all_sides(stores: list[SessionStore], sessions: int = 10, threads: int = 8, each: int = 50) -> None:
    """Make each thread add events to sessions that the others change as well; all of them have to be there."""

    def write(thread: int) -> None:
        for number in range(each):
            session = f"shopper-{number % sessions:04}"
            stores[thread % len(stores)].update(session, adds(session, f"{thread}-{number}"))

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(write, thread) for thread in range(threads)]:
            done.result()
    stored = [name for one in stores[0].iterate() for name in names(one).elements()]
    assert sorted(stored) == sorted(f"{thread}-{number}" for thread in range(threads) for number in range(each))


# --- A pooler ---


@contextmanager
def pgbouncer(folder: Path, server: PostgresAddress, database: str) -> Iterator[str]:
    """Run PgBouncer in transaction mode, with fewer connections to the server than clients have to it."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("no PgBouncer: apt install pgbouncer")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n{database} = host=127.0.0.1 port={server.port} dbname={database} user=tracker\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 100\nlogfile = {folder / 'log'}\n",
        "utf-8",
    )
    folder.chmod(0o777)
    other = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    with subprocess.Popen([program, settings], stderr=subprocess.DEVNULL, **other) as process:  # type: ignore[call-overload]
        try:
            yield f"postgresql://tracker@127.0.0.1:{port}/{database}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def test_no_update_fails_through_a_pooler_in_transaction_mode(postgres: PostgresAddress) -> None:
    database = f"pooled_{os.getpid()}"
    postgres.execute(f'CREATE DATABASE "{database}"')
    folder = Path(tempfile.mkdtemp(prefix="tracker-pgbouncer-"))
    try:
        with pgbouncer(folder, postgres, database) as url:
            wait_until(lambda: answers(url), "the pooler answers")
            assert migrate(url) == [1, 2]
            stores = [open_store(url) for _ in range(2)]
            write_from_all_sides(stores)
            assert stores[0].problem() is None
            assert stores[0].prune(2**53) == 10
            for store in stores:
                store.close()
    finally:
        shutil.rmtree(folder)


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


# --- A standby ---


def test_after_a_standby_was_promoted_the_service_goes_on_there_with_all_that_was_acknowledged() -> None:
    settings = {"wal_level": "replica", "max_wal_senders": "5", "hot_standby": "on"}
    with PostgresServer(settings=settings) as primary, PostgresServer.copy_of(primary) as standby:
        migrate(primary.url())
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'walreceiver'")
        primary.execute("SELECT pg_reload_conf()")
        synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until(lambda: primary.execute(synchronous) == [(1,)], "the standby confirms")
        store = open_store(f"postgresql://tracker@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/postgres")
        for number in range(100):
            store.update("shopper-0001", adds("shopper-0001", f"before-{number}"))

        primary.kill()
        with pytest.raises(StoreError):
            store.update("shopper-0001", adds("shopper-0001", "refused"))
        began = time.monotonic()
        standby.execute("SELECT pg_promote()")
        wait_until(lambda: took(store), "the next update is stored on the new primary")
        print(f"back {time.monotonic() - began:.1f} s after the promotion began")

        found = names(store.get("shopper-0001"))
        assert {f"before-{number}" for number in range(100)} <= found.keys()
        assert "after" in found
        store.close()


def took(store: SessionStore) -> bool:
    try:
        store.update("shopper-0001", adds("shopper-0001", "after"))
    except StoreError:
        return False
    return True
