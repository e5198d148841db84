"""README.md and the pages of docs are true: examples are run against a real server, tables compared with the code.

A comment before a block says how the block is run: `<!-- test: curl -->` (the json block after it is the answer),
`<!-- test: serves -->` (a command that starts the service), `<!-- test: commands -->` (the text block after it is the
output), and `<!-- test: browser -->`; or why it is not: `<!-- not run: needs Docker -->`. A block of bash, html or js
without such a comment fails.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testing.fake_groq import data_of
from testing.gunicorn_server import ROOT, GunicornServer
from testing.http_client import Client
from testing.reference import own_commands
from tests.integration.conftest import ADMIN_TOKEN, MakeApp, StartServer
from tracker.decisions.model.prompt import build_prompt
from tracker.decisions.shop.owner_file import parse_shop
from tracker.decisions.shop.shop import Shop
from tracker.decisions.visit.reading import Reading
from tracker.decisions.visit.signals import Signals
from tracker.llm.faults import Fault
from tracker.sessions.store import StoreError
from tracker.web.routes import Callers

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
"""The text of every page for users, by its path; the README is the first."""
GUIDES = [name for name in PAGES if name != "docs/figures.md"]
"""The pages that are written by hand, and to be read at one sitting; the tables of the bench are not."""
SESSION = "7c0f6b9e-2f0d-4b7e-9a55-3d1c8f1f2a90"
"""The session in the examples of the commands."""


@dataclass(frozen=True)
class Example:
    """A block that is run, and the json or text block right after it."""

    page: str
    how: str | None
    code: str
    shown: str | None


def examples() -> list[Example]:
    block = re.compile(
        r"(?:<!-- (test: \w+|not run: [^\n]+) -->\n)?```(bash|html|js)\n(.*?)```\n(?:\n```(?:json|text)\n(.*?)```\n)?",
        re.DOTALL,
    )
    return [
        Example(page, how.partition(":")[0] if how.startswith("not run") else how.removeprefix("test: "), code, shown)
        for page, text in PAGES.items()
        for how, _language, code, shown in block.findall(text)
    ]


def run_as(how: str) -> list[Example]:
    return [example for example in examples() if example.how == how]


def pages_with(how: str) -> list[str]:
    """Return the pages that have examples of this kind."""
    return list(dict.fromkeys(example.page for example in run_as(how)))


def section(page: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGES[page], re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {title}"
    return found[1]


def rows(text: str, header: str) -> list[list[str]]:
    """Return the cells of the table whose header row begins with these columns."""
    lines = text[text.index(f"| {header} |") :].splitlines()
    table = [line for number, line in enumerate(lines) if line.startswith("|") and all(lines[: number + 1])]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def code_spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_code_block_says_how_it_is_run() -> None:
    known = {"curl", "serves", "commands", "browser", "not run"}

    assert [example.code for example in examples() if example.how not in known] == []
    assert {example.how for example in examples()} == known
    marks = sum(text.count("<!-- test:") + text.count("<!-- not run:") for text in PAGES.values())
    assert marks == len(examples())


@pytest.mark.parametrize("page", GUIDES)
def test_a_page_can_be_read_at_one_sitting(page: str) -> None:
    assert PAGES[page].count("\n") <= (170 if page == "README.md" else 200)


def test_every_page_is_linked_from_the_readme_or_from_a_page_that_is() -> None:
    reached, new = set(), {"README.md"}
    while new:
        reached |= new
        links = {
            str((ROOT / page).parent.joinpath(target).resolve().relative_to(ROOT))
            for page in new
            for target in re.findall(r"\]\(([^)#:]+\.md)", PAGES[page])
        }
        new = (links & PAGES.keys()) - reached

    assert reached == PAGES.keys()


def test_rules_that_pages_show_are_rules_of_the_file_of_messages() -> None:
    shown = [rule for text in PAGES.values() for rule in re.findall(r"`(when = \{[^`]+\})`", text)]

    assert shown
    for rule in shown:
        fact = '[[facts]]\nid = "a"\ntext = "Free returns within 30 days."'
        parse_shop(f'name = "A shop"\n{fact}\n[[rules]]\n{rule}\nsay = ["a"]\n'.encode())


# --- The API ---


def curl(command: str, server: GunicornServer) -> Any:
    """Run one curl command in a shell; where there is no curl, send the request that it would send."""
    command = command.replace("http://127.0.0.1:8000", server.url).replace("$ADMIN_TOKEN", ADMIN_TOKEN)
    if shutil.which("curl"):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)
    words = iter(shlex.split(command)[1:])
    method, body, headers, path = "GET", None, {}, ""
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "--data":
            method, body = "POST", next(words)
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        else:
            path = word.removeprefix(server.url)
    with server.client() as client:
        return client.request(method, path, body, headers).json()


def without_clock(answer: Any) -> Any:
    if isinstance(answer, list):
        return [without_clock(one) for one in answer]
    if isinstance(answer, dict):
        return {key: "a moment" if key == "updatedAt" else without_clock(value) for key, value in answer.items()}
    return answer


@pytest.mark.parametrize("page", pages_with("curl"))
def test_every_api_example_answers_as_shown(start_server: StartServer, page: str) -> None:
    server = start_server(env={"ADMIN_TOKEN": ADMIN_TOKEN, "TRACKER_SHOP_FILE": str(ROOT / "shop.example.toml")})
    # One test for a page, because each example uses what those before it have stored.
    for example in (one for one in run_as("curl") if one.page == page):
        assert example.shown, f"no answer is shown for {example.code}"
        answer = curl(example.code, server)
        assert without_clock(answer) == without_clock(json.loads(example.shown)), example.code


def test_the_api_has_enough_examples() -> None:
    assert len(run_as("curl")) >= 8


FOR_PAGES = {Callers.OWN_PAGES, Callers.OWNERS_BROWSER}
"""The callers of the owner's pages, which are no part of the API."""


def test_the_guide_of_the_owner_names_every_page(make_app: MakeApp) -> None:
    app = make_app()
    pages = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.callers is Callers.OWNERS_BROWSER  # type: ignore[attr-defined]
        if "GET" in (rule.methods or set()) and not rule.arguments
    }

    assert set(re.findall(r"^\| `(/[^`]*)` \|", PAGES["docs/owner.md"], re.MULTILINE)) == pages


def test_the_table_of_routes_is_the_url_map(make_app: MakeApp) -> None:
    app = make_app()
    served = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if rule.callers not in FOR_PAGES and not rule.rule.startswith("/assets/")  # type: ignore[attr-defined]
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert set(re.findall(r"`((?:GET|POST|DELETE) /[^`]*)`", PAGES["docs/api.md"].partition("\n## ")[0])) == served


# --- Starting it ---


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with the packages of this environment, as if `python3 run.py` had installed them."""
    folder = tmp_path / "project"
    venv = folder / ".venv"
    venv.mkdir(parents=True)
    for name in ("run.py", "wsgi.py", "gunicorn.conf.py", "requirements.txt", ".env.example", "shop.example.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "tracker").symlink_to(ROOT / "tracker")
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", venv)
    for name in ("bin", "lib"):
        (venv / name).symlink_to(Path(sys.prefix) / name)
    stamp = (
        "import run; names = {'interpreter': run.interpreter(), 'requirements.txt': run.digest(run.ROOT / "
        "'requirements.txt')}; run.write_stamp(run.STAMP, names)"
    )
    subprocess.run([sys.executable, "-c", stamp], cwd=folder, check=True)
    (tmp_path / "bin").mkdir()
    python3 = tmp_path / "bin" / "python3"
    # A link would not find the packages of this environment.
    python3.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', "utf-8")
    python3.chmod(0o755)
    return folder


def environment_for(project: Path, **more: str) -> dict[str, str]:
    """Return an environment without any setting of the developer."""
    path = f"{project.parent / 'bin'}:{os.environ['PATH']}"
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_healthy(port: int) -> bool:
    try:
        with Client(port, timeout=5) as client:
            return client.get("/health").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("command", [example.code.strip() for example in run_as("serves")])
def test_every_command_that_starts_the_service_works(project: Path, command: str) -> None:
    port = free_port()
    environment = environment_for(project, PORT=str(port), WEB_CONCURRENCY="1")
    with (project / "log").open("wb") as log:
        started = subprocess.Popen(
            ["bash", "-c", f"exec {command.replace('--port 8000', f'--port {port}')}"],
            cwd=project, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        until = time.monotonic() + 90
        while not is_healthy(port):
            assert time.monotonic() < until, (project / "log").read_text("utf-8")
            assert started.poll() is None, (project / "log").read_text("utf-8")
            time.sleep(0.1)
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)

    assert (project / "tracker_storage.json").exists(), "it starts with the default settings"
    if "run.py" in command:
        assert f"http://127.0.0.1:{port}/docs" in (project / "log").read_text("utf-8")
        assert (project / ".env").exists()


def test_wrong_setting_is_told_with_its_place_before_any_address_is_printed(project: Path) -> None:
    (project / ".env").write_text(
        "# mine\nALLOWED_ORIGIN=https://a.example\nWEB_CONCURRENCY=two\nDEMO_SHOP=yes\n", "utf-8"
    )
    done = subprocess.run(
        ["python3", "run.py"], cwd=project, env=environment_for(project), capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "http://" not in done.stdout
    assert done.stderr.splitlines() == [
        "Error: The service cannot start.",
        "  DEMO_SHOP must be on or off, not 'yes' (.env line 4).",
        "  WEB_CONCURRENCY must be a whole number from 1 to 64, not 'two' (.env line 3).",
    ]


def test_other_words_of_run_py_are_commands_of_the_service(project: Path) -> None:
    done = subprocess.run(
        ["python3", "run.py", "sessions", "list", "--json"],
        cwd=project, env=environment_for(project), capture_output=True, text=True,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_render_yaml_is_what_the_page_on_hosting_describes() -> None:
    blueprint = (ROOT / "render.yaml").read_text("utf-8")
    asked_for = set(re.findall(r"key: (\w+)[^\n]*\n +sync: false", blueprint))

    assert "startCommand: gunicorn -c gunicorn.conf.py wsgi:app\n" in blueprint
    assert asked_for == {"GROQ_API_KEY", "ALLOWED_ORIGINS"}
    assert all(f"`{name}`" in section("docs/hosting.md", "Render") for name in asked_for)
    for fact in ("plan: starter", "mountPath: /var/data", "generateValue: true"):
        assert fact in blueprint


# --- The commands ---


@pytest.mark.parametrize("page", pages_with("commands"))
def test_every_command_prints_the_output_that_is_shown(project: Path, page: str) -> None:
    report = {"session": SESSION, "itemsInCart": 2, "timeOnPage": {"/cart": 95_000}}
    record = {
        **report,
        "events": {"/cart": [{"type": "view", "ts": 1_790_000_000_000}]},
        "updatedAt": round(time.time() * 1000),
    }
    shutil.copy(ROOT / "shop.example.toml", project / "shop.toml")
    (project / "tracker_storage.json").write_text(f"{{\n{json.dumps(SESSION)}:{json.dumps(record)}\n}}", "utf-8")

    for example in (one for one in run_as("commands") if one.page == page):
        done = subprocess.run(
            ["bash", "-ec", example.code],
            cwd=project, env=environment_for(project), capture_output=True, text=True, check=True,
        )  # fmt: skip
        moment = partial(re.sub, r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "a moment")
        assert moment(done.stdout) == moment(example.shown or "")
    if page == "docs/hosting.md":
        assert len((project / "backup.ndjson").read_text("utf-8").splitlines()) == 1


def test_every_command_explains_itself_and_can_answer_programs(make_app: MakeApp) -> None:
    app = make_app()
    for name, _command in own_commands():
        helped = app.test_cli_runner().invoke(args=[*name.split(), "--help"])
        assert helped.exit_code == 0
        assert ("--json" in helped.output) == (name != "sessions export"), name


# --- The tables ---


def codes(error: type[StoreError]) -> set[str]:
    return {error.code, *(one.code for one in error.__subclasses__())}


def stable_codes() -> set[str]:
    """Return every code that an error can have: of ApiError, of the tables of statuses, and of the store."""
    found: set[str] = set()
    refusals = (ROOT / "tracker" / "serving" / "refusals.py").read_text("utf-8")
    found |= set(re.findall(r'[45]\d\d, "([a-z_]+)", "', refusals))
    for path in (ROOT / "tracker").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"ApiError", "_answer"}:
                found |= {str(one.value) for one in node.args[1:2] if isinstance(one, ast.Constant)}
    errors = ast.parse((ROOT / "tracker" / "web" / "errors.py").read_text("utf-8"))
    pairs = [node for node in ast.walk(errors) if isinstance(node, ast.Tuple) and len(node.elts) == 2]
    found |= {
        first.value
        for first, _second in (node.elts for node in pairs)
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and re.fullmatch("[a-z_]+", first.value)
    }
    return found | codes(StoreError)


def test_the_table_of_errors_explains_exactly_the_error_codes() -> None:
    table = rows(PAGES["docs/troubleshooting.md"], "Code | Status | Why | What to do")

    assert {code for row in table for code in code_spans(row[0])} == stable_codes()


def test_the_table_of_model_faults_explains_exactly_the_faults() -> None:
    table = rows(PAGES["docs/troubleshooting.md"], "Fault | Why | What to do")

    assert {code_spans(row[0])[0] for row in table} == set(Fault)


def test_the_privacy_section_names_everything_that_is_sent_to_groq() -> None:
    paragraph = re.search(r"\*\*What is sent to Groq\.\*\*(.*?)\n\n", PAGES["docs/privacy.md"], re.DOTALL)
    assert paragraph

    shop = replace(Shop(), wording="model")
    numbers = {"visit_s": 1.0, "cart_again": 1.0}
    full = Signals(
        items_in_cart=1, total=5990, currency="EUR", dwell_s=1, idle_s=1, numbers=numbers, why="exit", device="phone",
        popups_shown=1, popups_dismissed=1, locale="de",
    )  # fmt: skip
    question = {"messages": build_prompt(full, Reading(), shop, shop.messages)}
    assert set(code_spans(paragraph[1])) - {"GROQ_API_KEY", 'wording = "model"'} == data_of(question).keys()


# --- The script for the theme ---

ALLOWING = """<script>
window.Shopify = { routes: { root: "/en/" }, loadFeatures: function (features, done) {
  if (!window.blocked) window.Shopify.customerPrivacy = {
    analyticsProcessingAllowed: function () { return window.allowed; },
    marketingAllowed: function () { return true; } };
  done(window.blocked);
} };
</script>"""


class _Shop(BaseHTTPRequestHandler):
    """A page of a shop with the script of the README, and a cart with two items."""

    def __init__(self, script: str, head: str, *request: Any) -> None:
        self._script, self._head = script, head
        super().__init__(*request)

    def do_GET(self) -> None:
        if self.path.endswith("/cart.js"):
            kind, text = "application/json", '{"item_count": 2}'
        else:
            kind = "text/html"
            body = "<button id=buy>Add to cart</button><p>x</p>"
            text = f"<!doctype html><body>{self._head}{self._script}{body}</body>"
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def shop(service: str, head: str = "", port: int = 0) -> Iterator[str]:
    (example,) = run_as("browser")
    assert example.code.count("https://your-service.example/") == 1
    script = example.code.replace("https://your-service.example", service)
    with ThreadingHTTPServer(("127.0.0.1", port), partial(_Shop, script, head)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}"
        finally:
            httpd.shutdown()


CART_RULE = """
name = "A shop"
[[facts]]
id = "returns"
text = "Free returns within 30 days."
[[rules]]
when = { items = ">=1", seconds = ">=60" }
say = ["returns"]
"""


def sessions(server: GunicornServer) -> Mapping[str, Any]:
    return {name: record for name, record in server.stored().items() if record is not None}


def wait_for(page: Page, condition: Callable[[], object]) -> None:
    for _ in range(1200):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("waited 60 s in vain")


def test_the_script_of_the_readme_reports_a_visit_and_shows_a_popup(
    browser: Browser, start_server: StartServer, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "shop.toml").write_text(CART_RULE, "utf-8")
    env = {"ALLOWED_ORIGINS": f"http://127.0.0.1:{port}", "TRACKER_SHOP_FILE": str(tmp_path / "shop.toml")}
    server = start_server(workers=1, env=env)
    with shop(server.url, f"<script>window.allowed = true</script>{ALLOWING}", port) as address:
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.clock.install()
        page.goto(f"{address}/en/products/brass-lamp?utm=x")
        page.click("#buy")
        page.click("p")
        page.clock.run_for(2_000)
        wait_for(page, lambda: any(one["itemsInCart"] for one in sessions(server).values()))
        # The owner's rule proposes a popup once the cart has stood still.
        popup = page.get_by_role("dialog", name="Free returns within 30 days.")
        for _ in range(40):
            if popup.count():
                break
            page.clock.run_for(5_000)
            page.wait_for_timeout(100)  # requests need real time
        wait_for(page, popup.count)
        page.keyboard.press("Escape")
        assert page.query_selector("storefront-popup") is None
        page.clock.run_for(2_000)
        wait_for(page, lambda: "popup_dismissed" in str(sessions(server)))

        (last,) = sessions(server).values()
        assert last["itemsInCart"] == 2
        assert last["timeOnPage"]["/products/brass-lamp"] >= 60_000
        events = [(event["type"], event.get("target")) for event in last["events"]["/products/brass-lamp"]]
        assert events == [("view", None), ("click", "#buy"), ("popup_shown", None), ("popup_dismissed", None)]
        assert faults == []


@pytest.mark.parametrize("state", ["window.allowed = false", "window.blocked = new Error(); window.allowed = true"])
def test_the_script_of_the_readme_does_nothing_without_consent(
    browser: Browser, server: GunicornServer, state: str
) -> None:
    with shop(server.url, f"<script>{state}</script>{ALLOWING}") as address:
        before = dict(sessions(server))
        page = browser.new_page()
        posts: list[str] = []
        page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
        page.clock.install()
        page.goto(f"{address}/en/cart")
        page.click("#buy")
        page.clock.run_for(40_000)
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        page.goto("about:blank")

        assert posts == []
        assert sessions(server) == before


def test_the_script_of_the_readme_starts_when_consent_is_given(browser: Browser, server: GunicornServer) -> None:
    with shop(server.url, f"<script>window.allowed = false</script>{ALLOWING}") as address:
        before = len(sessions(server))
        page = browser.new_page()
        page.clock.install()
        page.goto(f"{address}/en/cart")
        page.evaluate("window.allowed = true; document.dispatchEvent(new Event('visitorConsentCollected'))")
        page.clock.run_for(2_000)
        wait_for(page, lambda: len(sessions(server)) == before + 1)
