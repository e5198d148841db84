"""run.py: unsuitable machines, the set-up of .venv, the checks of its test command, and skipped tests."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import run

ROOT = Path(__file__).resolve().parents[2]


def test_python_3_6_can_parse_the_file() -> None:
    source = (ROOT / "run.py").read_text("utf-8")

    ast.parse(source, feature_version=(3, 6))
    assert "from __future__" not in source, "this import came with 3.7, and an older Python refuses the line"


def test_only_the_standard_library_is_imported() -> None:
    tree = ast.parse((ROOT / "run.py").read_text("utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13)])
def test_an_old_python_is_refused_in_one_line_that_names_both_versions(version: tuple[int, ...]) -> None:
    line = run.refusal(version, "posix")

    assert line is not None
    assert "\n" not in line
    assert "3.11" in line
    assert ".".join(map(str, version[:2])) in line


def test_windows_is_refused_in_one_line() -> None:
    line = run.refusal((3, 12), "nt")

    assert line is not None
    assert "WSL" in line


@pytest.mark.parametrize("version", [(3, 11), (3, 13, 1), (4, 0)])
def test_python_3_11_and_newer_are_accepted(version: tuple[int, ...]) -> None:
    assert run.refusal(version, "posix") is None


def test_help_names_every_command() -> None:
    text = subprocess.run([sys.executable, str(ROOT / "run.py"), "--help"], capture_output=True, text=True, check=True)

    assert "serve" in text.stdout
    assert "test" in text.stdout


# --- The checks of its test command -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "how_much"), [([], "gate"), (["--fast"], "fast"), (["--thorough"], "thorough")], ids=str
)
def test_unknown_arguments_are_passed_to_pytest(options: list[str], how_much: str) -> None:
    arguments, more = run.parser().parse_known_args(["test", *options, "-k", "torn tail", "tests/unit"])
    tests = run.checks(arguments.how_much, more)[-1][1]

    assert arguments.how_much == how_much
    assert more == ["-k", "torn tail", "tests/unit"]
    assert tests[0] == "pytest"
    assert tests[-3:] == more


def test_fast_and_thorough_exclude_each_other() -> None:
    with pytest.raises(SystemExit):
        run.parser().parse_known_args(["test", "--fast", "--thorough"])


def test_fast_checks_format_lint_and_the_unit_tests_only() -> None:
    names, commands = zip(*run.checks("fast", []), strict=True)

    assert names == ("format", "lint", "spelling", "unit tests")
    assert "tests/unit" in commands[-1]


@pytest.mark.parametrize("how_much", ["gate", "thorough"])
def test_the_other_runs_check_everything(how_much: str) -> None:
    names, commands = zip(*run.checks(how_much, []), strict=True)

    assert names == ("format", "lint", "spelling", "types", "imports", "tests")
    assert not [part for part in commands[-1] if part.startswith("tests/")]


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        ('{"passed": 9, "skipped": 0, "why": [], "again": []}', "All good."),
        (
            '{"passed": 9, "skipped": 0, "why": [], "again": ["tests/browser/test_popup.py::test_one"]}',
            "All good, 1 passed at the second try only: tests/browser/test_popup.py::test_one",
        ),
        (
            '{"passed": 9, "skipped": 3, "why": ["no Chromium: apt install chromium", "takes minutes"], "again": []}',
            "All good, 3 skipped: no Chromium: apt install chromium; takes minutes",
        ),
        (None, "All good, but it is unknown how many tests were skipped: they left no summary."),
        ("{", "All good, but it is unknown how many tests were skipped: they left no summary."),
        ("[]", "All good, but it is unknown how many tests were skipped: they left no summary."),
        ('{"passed": 9}', "All good, but it is unknown how many tests were skipped: they left no summary."),
    ],
)
def test_the_last_line_says_plainly_all_good_only_if_no_test_was_skipped(
    tmp_path: Path, summary: str | None, line: str
) -> None:
    file = tmp_path / "summary.json"
    if summary is not None:
        file.write_text(summary, "utf-8")

    assert run.verdict(file) == line


STAND_IN = """#!{python}
import json, os, pathlib, sys
name = pathlib.Path(sys.argv[0]).name
print("ran", name, *sys.argv[1:], "as", os.environ["TRACKER_TESTS"])
if name == "pytest":
    summary = {{"skipped": 2, "why": ["no browser"], "again": []}}
    pathlib.Path(os.environ["TRACKER_TEST_SUMMARY"]).write_text(json.dumps(summary))
sys.exit(name == "{failing}")
"""


def run_checks(project: Path, *options: str, failing: str = "none") -> subprocess.CompletedProcess[str]:
    """Run the test command of a project in which every tool is a stand-in that prints how it was called."""
    (project / "requirements-dev.txt").write_text("# nothing\n", "utf-8")
    code = "import sys, run; run.set_up('requirements.txt', 'requirements-dev.txt')"
    subprocess.run([PYTHON_WITH_PIP, "-c", code], cwd=project, capture_output=True, check=True)
    for name in ("ruff", "codespell", "mypy", "lint-imports", "pytest"):
        tool = project / ".venv" / "bin" / name
        tool.write_text(STAND_IN.format(python=sys.executable, failing=failing), "utf-8")
        tool.chmod(0o755)
    command = [PYTHON_WITH_PIP, "run.py", "test", *options]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_the_checks_run_in_order_and_the_last_line_sums_up_the_skips(project: Path) -> None:
    done = run_checks(project, "--fast", "-x")

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in lines if line.startswith("ran")] == ["ruff", "ruff", "codespell", "pytest"]
    assert "ran pytest -n 2 --dist worksteal tests/unit -x as fast" in lines
    assert lines[-1] == "All good, 2 skipped: no browser"


def test_the_first_check_that_fails_stops_the_run_and_is_named(project: Path) -> None:
    done = run_checks(project, failing="mypy")

    assert done.returncode == 1
    assert done.stderr.strip() == "Stopped: types failed."
    assert "pytest" not in done.stdout
    assert "All good" not in done.stdout


# --- Setting up -------------------------------------------------------------------------------------------------------


# One of the two has pip, or these tests would not have been installed.
PYTHON_WITH_PIP = sys.executable if importlib.util.find_spec("pip") else str(getattr(sys, "_base_executable", ""))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a copy of run.py and empty requirements: its set-up is real and needs no network."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "run.py", folder)
    (folder / "requirements.txt").write_text("# nothing\n", "utf-8")
    return folder


def set_up(project: Path, *hidden: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up in a new process in which these modules are missing, as on a fresh Debian."""
    shadow = project / "shadow"
    shadow.mkdir(exist_ok=True)
    for module in hidden:
        (shadow / f"{module}.py").write_text("raise ImportError\n", "utf-8")
    code = "import sys, run\ntry: run.set_up('requirements.txt')\nexcept run.StopError as stop: sys.exit(str(stop))"
    command = [PYTHON_WITH_PIP, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(shadow)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_an_unfinished_environment_is_rebuilt(project: Path) -> None:
    # A set-up that was killed leaves files and no stamp.
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").write_text("half", "utf-8")

    made = set_up(project)

    assert made.returncode == 0, made.stderr
    assert "Making .venv" in made.stdout


def test_without_ensurepip_the_pip_of_the_system_installs(project: Path) -> None:
    made = set_up(project, "ensurepip")

    assert made.returncode == 0, made.stderr
    assert not list((project / ".venv" / "bin").glob("pip*"))


# The following tests hide ensurepip as well: it would unpack pip each time, which takes 3 s a test.


def test_without_venv_and_pip_one_line_names_the_packages_to_install(project: Path) -> None:
    stopped = set_up(project, "ensurepip", "pip")

    assert stopped.returncode == 1
    assert stopped.stderr.strip() == run.NEITHER_VENV_NOR_PIP
    assert "apt install python3-venv python3-pip" in run.NEITHER_VENV_NOR_PIP


def test_a_second_start_installs_nothing(project: Path) -> None:
    first, second = set_up(project, "ensurepip"), set_up(project, "ensurepip")

    assert "Installing requirements.txt" in first.stdout
    assert (second.returncode, second.stdout) == (0, "")


def test_a_changed_requirements_file_is_installed_into_the_same_environment(project: Path) -> None:
    set_up(project, "ensurepip")
    (project / "requirements.txt").write_text("# nothing else\n", "utf-8")

    again = set_up(project, "ensurepip")

    assert "Making .venv" not in again.stdout
    assert "Installing requirements.txt" in again.stdout
    assert set_up(project, "ensurepip").stdout == ""


def test_a_failed_installation_leaves_no_stamp_and_names_the_file(project: Path) -> None:
    set_up(project, "ensurepip")
    (project / "requirements.txt").write_text("this is no requirement\n", "utf-8")

    failed = set_up(project, "ensurepip")

    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "Could not install requirements.txt: pip says why above."
    assert not (project / ".venv" / "installed.json").exists()


@pytest.mark.parametrize("left", ["", "{", "[]", "null", "\x00"])
def test_a_damaged_stamp_counts_as_no_stamp(tmp_path: Path, left: str) -> None:
    (tmp_path / "installed.json").write_text(left, "utf-8")

    assert run.read_stamp(tmp_path / "installed.json") == {}


def test_the_env_file_is_readable_by_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("# GROQ_API_KEY=\n", "utf-8")
    run.make_env_file(tmp_path)
    made = tmp_path / ".env"

    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert made.read_text("utf-8") == "# GROQ_API_KEY=\n"

    made.write_text("GROQ_API_KEY=kept\n", "utf-8")
    run.make_env_file(tmp_path)

    assert made.read_text("utf-8") == "GROQ_API_KEY=kept\n"


# --- What its test command skips --------------------------------------------------------------------------------------


def run_pytest(folder: Path, test: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_it.py").write_text(f"import pytest\n\n{test}", "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = thorough: long\n", "utf-8")
    ours = {"CI", "TRACKER_TESTS", "TRACKER_TEST_SUMMARY"}
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    command = [sys.executable, "-m", "pytest", "-q", "-rsR", "-p", "no:cacheprovider", *arguments]
    # Without the plugins a run takes a third of a second and not two and a half.
    clean["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    clean["PYTHONPATH"] = str(ROOT)  # the file that was copied imports of `testing`
    return subprocess.run(command, cwd=folder, env=clean | environment, capture_output=True, text=True, check=False)


THOROUGH = "@pytest.mark.thorough\ndef test_long(): pass\n"
SKIPS = "def test_skips(): pytest.skip('no browser here: install one')\n"
MODULE_SKIPS = "pytest.skip('no browser here: install one', allow_module_level=True)\n"
EXPECTED_FAILURE = "@pytest.mark.xfail\ndef test_known(): assert False\n"


@pytest.mark.parametrize("ci", ["true", ""])
def test_a_thorough_test_is_skipped_and_says_how_to_run_it(tmp_path: Path, ci: str) -> None:
    done = run_pytest(tmp_path, THOROUGH, CI=ci)

    assert done.returncode == 0, done.stdout
    assert "run.py test --thorough" in done.stdout


def test_a_thorough_test_runs_when_asked_for(tmp_path: Path) -> None:
    assert "1 passed" in run_pytest(tmp_path, THOROUGH, TRACKER_TESTS="thorough", CI="true").stdout


@pytest.mark.parametrize("test", [SKIPS, MODULE_SKIPS])
def test_any_other_skip_fails_in_ci_and_says_why(tmp_path: Path, test: str) -> None:
    done = run_pytest(tmp_path, test, CI="true")

    assert done.returncode != 0
    assert "no browser here: install one" in done.stdout


def test_elsewhere_a_skip_is_a_skip(tmp_path: Path) -> None:
    assert "1 skipped" in run_pytest(tmp_path, SKIPS).stdout


def test_skips_are_summed_up_in_one_line_and_in_the_summary_file(tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    tests = SKIPS + SKIPS.replace("test_skips", "test_skips_too") + THOROUGH + "def test_passes(): pass\n"
    done = run_pytest(tmp_path, tests, TRACKER_TEST_SUMMARY=str(summary))

    long = "takes minutes: run `python3 run.py test --thorough`"
    assert f"3 skipped: no browser here: install one (2); {long} (1)\n" in done.stdout
    assert json.loads(summary.read_text("utf-8")) == {
        "passed": 1,
        "skipped": 3,
        "why": ["no browser here: install one", long],
        "again": [],
    }


FAILS_ONCE = """
from pathlib import Path
def test_it(request):
    mark = request.path.with_name("tried")
    tried, _ = mark.exists(), mark.touch()
    assert tried
"""
FAILS = "def test_it(): assert False"


@pytest.mark.parametrize(
    ("folder", "ci", "test", "outcome"),
    [
        ("browser", "true", FAILS_ONCE, "1 passed, 1 rerun"),
        ("browser", "true", FAILS, "1 failed, 1 rerun"),
        ("browser", "", FAILS_ONCE, "1 failed"),
        ("unit", "true", FAILS_ONCE, "1 failed"),
    ],
)
def test_only_tests_of_real_processes_get_a_second_try_in_ci_and_are_named(
    tmp_path: Path, folder: str, ci: str, test: str, outcome: str
) -> None:
    summary = tmp_path / "summary.json"
    plugin = ("-p", "pytest_rerunfailures")
    done = run_pytest(tmp_path / folder, test, *plugin, CI=ci, TRACKER_TEST_SUMMARY=str(summary))

    assert f"{outcome} in" in done.stdout
    named = ["test_it.py::test_it"] if "rerun" in outcome else []
    assert json.loads(summary.read_text("utf-8"))["again"] == named


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, SKIPS, TRACKER_TESTS="quick")

    assert done.returncode != 0
    assert "TRACKER_TESTS is 'quick'; it can be fast, gate or thorough" in done.stderr


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    assert "1 xfailed" in run_pytest(tmp_path, EXPECTED_FAILURE, CI="true").stdout
