"""Commands for real: what they are given, what becomes of their output, how they end, and that nothing stays."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from config import Config
from jobs.command.launch import Launch, Spec, end_marked
from tasks.errors import Cancelled, JobFailed
from tests.fixtures.machine import wait_until
from tests.jobs.command.running import Recorder, prepared, run, run_script, script, write_commands

pytestmark = [pytest.mark.slow, pytest.mark.req("B12")]
ROOT = Path(__file__).resolve().parents[3]
PACKAGES = json.dumps([path for path in sys.path if path.endswith("site-packages")])
FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def restless():
    while True:
        if os.fork() == 0:
            time.sleep(0.05)
            os._exit(0)
        time.sleep(0.02)
        try:
            os.waitpid(-1, os.WNOHANG)
        except OSError:
            pass
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.environ.clear()
            for fd in (0, 1, 2):
                os.close(fd)
            restless()
        os._exit(0)
time.sleep(0.3)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    return make_config(CANCEL_GRACE_SECONDS="4")


def below(pid: int) -> list[int]:
    """What runs below this process."""
    found = []
    for each in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [each.pid] if each.status() != psutil.STATUS_ZOMBIE else []
    return found


def running(path: Path) -> list[int]:
    """Whatever was started from there, dead or alive."""
    found = psutil.process_iter(["cmdline"])
    return [each.pid for each in found if str(path) in " ".join(each.info["cmdline"] or [])]


def cancel_once(word: str) -> Callable[[Recorder], None]:
    def look(context: Recorder) -> None:
        context.is_cancelled = context.is_cancelled or any(word in text for text in context.texts)

    return look


def test_a_command_gets_nothing_of_the_server(config: Config, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("from a file\n")
    os.environ["LEAKED"] = "secret"
    context, results = run_script(
        config,
        tmp_path,
        """
        import json, os, sys
        stand = {"environment": dict(os.environ), "folder": os.getcwd(),
                 "terminal": os.isatty(1), "size": list(os.get_terminal_size(1)),
                 "input": sys.stdin.read(), "files": sorted(os.listdir("/proc/self/fd")), "argv": sys.argv[1:]}
        try:
            open("/dev/tty")
            stand["tty"] = True
        except OSError:
            stand["tty"] = False
        open("stand.json", "w").write(json.dumps(stand))
        print(open("stand.json").read())
        """,
        f'environment = {{ INDEX_HOME = "/srv", TOKEN = {{ file = "{secret}" }} }}',
    )
    del os.environ["LEAKED"]
    told = json.loads(context.files["output.txt"])
    home = str(context.work_dir / "home")
    assert told["environment"] == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
        "HOME": home, "TMPDIR": home, "TERM": "xterm-256color", "LINES": "32", "COLUMNS": "120",
        "TASKROOM_TASK_ID": context.task_id, "INDEX_HOME": "/srv", "TOKEN": "from a file",
    }  # fmt: skip
    assert (told["folder"], told["terminal"], told["size"], told["input"]) == (home, True, [120, 32], "")
    assert told["files"] == ["0", "1", "2", "3"], "3 is the folder that is being listed"
    assert told["tty"] is False, "nothing can ask for a password"
    assert (results["exit_code"], results["signal"], results["lines"]) == (0, None, 1)
    assert "from a file" not in json.dumps(context.details)
    assert context.details["run"]["variables"] == ["INDEX_HOME", "TOKEN"]


def test_arguments_arrive_as_they_are_and_no_shell_reads_them(config: Config, tmp_path: Path) -> None:
    path = script(tmp_path, "import json, sys; print(json.dumps(sys.argv[1:]))")
    parameter = '[commands.it.parameters.x]\ntype = "pattern"\npattern = ".*"'
    write_commands(config, it=f'argv = ["{path}", "{{x}}", "--x={{x}}"]\n{parameter}')
    hostile = "a b'\"; $(id) `id` | > & * \\ ü {x}"
    context = Recorder(config)
    run(context, "it", x=hostile)
    assert json.loads(context.texts[0]) == [hostile, f"--x={hostile}"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import sys; print('merging'); sys.exit('Not enough disk')", "exit code 1. Its last line: “Not enough disk”"),
        ("import sys; sys.exit(42)", "The command ended with exit code 42."),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9, SIGKILL."),
        ("import os; os.kill(os.getpid(), 11)", "was ended by signal 11, SIGSEGV."),
    ],
)
def test_how_it_failed_is_a_sentence(config: Config, tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(JobFailed) as failed:
        run_script(config, tmp_path, text)
    assert sentence in str(failed.value)


def test_further_exit_codes_can_be_a_success(config: Config, tmp_path: Path) -> None:
    _, results = run_script(config, tmp_path, "raise SystemExit(3)", "exit_codes = [0, 3]")
    assert results["exit_code"] == 3


def test_what_cannot_start_says_why(config: Config, tmp_path: Path) -> None:
    for text, settings, words in (
        ("", 'folder = "/no/such/folder"', "The folder /no/such/folder could not be entered"),
        ("", 'environment = { TOKEN = { file = "/no/such/file" } }', "The file for the variable TOKEN cannot be read"),
    ):
        with pytest.raises(JobFailed, match=words):
            run_script(config, tmp_path, text, settings)
    (tmp_path / "script.py").write_text("#!/no/such/interpreter\n")
    write_commands(config, it=f'argv = ["{tmp_path}/script.py"]')
    with pytest.raises(JobFailed, match="could not be started: No such file or directory"):
        run(Recorder(config), "it")
    (tmp_path / "script.py").chmod(0o777)
    with pytest.raises(JobFailed, match="can be changed by others than its owner"):
        run(Recorder(config), "it")


def test_a_tqdm_bar_becomes_progress_and_its_rows_are_no_lines(config: Config, tmp_path: Path) -> None:
    context, results = run_script(
        config,
        tmp_path,
        f"""
        import sys, time
        sys.path[:0] = {PACKAGES}
        from tqdm import tqdm
        for shard in tqdm(range(4), desc="Shards", unit="shard"):
            for doc in tqdm(range(20), desc=f"shard-{{shard}}", unit="doc", leave=False):
                time.sleep(0.01)
            tqdm.write(f"shard {{shard}} is written")
        """,
    )
    assert context.texts[:4] == [f"shard {number} is written" for number in range(4)]
    assert len(context.texts) == results["lines"] == 5
    assert context.texts[4].startswith("Shards: 100%|")
    fractions = [done / total for done, total in context.progress if total]
    assert fractions == sorted(fractions)
    assert max(fractions) >= 0.5
    assert context.unit == "shards"
    both = [each["bars"] for each in context.seen if len(each.get("bars", [])) == 2]
    assert both, "the inner bar was seen"
    assert [(bar["label"][:5], bar["is_whole"]) for bar in both[-1]] == [("Shard", True), ("shard", False)]
    assert any(row.startswith("shard-") for each in context.seen for row in each.get("rows", []))


def test_a_flood_is_counted_and_kept_as_head_and_tail(config: Config, tmp_path: Path) -> None:
    before = psutil.Process().memory_info().rss
    context, results = run_script(
        config,
        tmp_path,
        """
        import sys
        for block in range(300):
            sys.stdout.buffer.write(b"".join(b"%09d %s\\n" % (block * 1000 + n, b"x" * 90) for n in range(1000)))
        sys.stdout.buffer.write(b"\\xff the end")
        """,
        "log_lines = 200\noutput_mb = 1",
    )
    assert results["lines"] == 300_001
    assert results["output_bytes"] == 30_300_009
    shown = [text for level, text in context.lines if level != "debug"]
    assert shown[0].startswith("000000000 x")
    assert shown[-1] == "� the end"
    assert shown[-2].startswith("000299999 x")
    assert len(shown) + results["log_left_out_lines"] == 300_001
    assert 700 <= len(shown) <= 800
    assert len(context.files["output.txt"]) < 1_000_200
    assert context.files["output.txt"].endswith(b"\xff the end")
    assert psutil.Process().memory_info().rss - before < 60_000_000


def test_a_very_long_line_and_a_row_rewritten_for_ever_stay_small(config: Config, tmp_path: Path) -> None:
    context, results = run_script(
        config,
        tmp_path,
        """
        import sys
        for n in range(20_000):
            sys.stdout.write(f"\\r{n / 200:.1f}% of it")
        print()
        print("y" * 10_000_000)
        """,
    )
    assert results["lines"] == len(context.texts) == 2
    assert context.texts[0] == "100.0% of it"
    assert context.texts[1].endswith("… (cut, the line has 10,000,000 characters)")


@pytest.mark.req("C3")
def test_cancel_leaves_no_process_however_it_forked(config: Config, tmp_path: Path) -> None:
    before = set(below(os.getpid()))
    context = prepared(config, tmp_path, FAMILY, "stop_grace_s = 0.5")
    context.on_report = cancel_once("ready")
    with pytest.raises(Cancelled):
        run(context, "it")
    assert "that did not end by themselves" in context.texts[-1]
    assert context.details["exit_code"] == "signal 9, SIGKILL"
    assert set(below(os.getpid())) <= before
    assert running(tmp_path) == []
    assert context.files["output.txt"] == b"ready\n", "what it printed is kept"


@pytest.mark.req("C3")
def test_cancel_asks_first(config: Config, tmp_path: Path) -> None:
    text = """
    import os, signal, time
    def leave(*_):
        os.write(1, b"cleaned up\\n")
        os._exit(0)
    signal.signal(signal.SIGTERM, leave)
    os.write(1, b"ready\\n")
    time.sleep(600)
    """
    context = prepared(config, tmp_path, text, "stop_grace_s = 30")
    context.on_report = cancel_once("ready")
    started_s = time.monotonic()
    with pytest.raises(Cancelled):
        run(context, "it")
    assert time.monotonic() - started_s < 20
    assert context.texts == ["ready", "cleaned up", "SIGTERM went to 1 process. All have ended."]


def test_what_a_command_leaves_behind_ends_with_it(config: Config, tmp_path: Path) -> None:
    context, results = run_script(config, tmp_path, FAMILY.replace("time.sleep(600)", ""), "stop_grace_s = 0.2")
    assert results["left_behind"] >= 3
    assert any("left behind by the command" in text for text in context.texts)
    assert running(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "settings", "sentence"),
    [
        ("import time; time.sleep(600)", "timeout_s = 1", "The command ran longer than 1 s, its limit, and was ended."),
        ("while True: pass", "limits = { cpu_s = 1 }", "signal 24, SIGXCPU. It has used up the CPU time"),
        ("x = bytearray(300_000_000)", "limits = { memory_mb = 100 }", "Its last line: “MemoryError”"),
        ("open('big', 'wb').write(b'x' * 3_000_000)", "limits = { file_mb = 1 }", "File too large"),
        ("files = [open('/dev/null') for _ in range(100)]", "limits = { open_files = 20 }", "Too many open files"),
        ("import os, time\nfor _ in range(8): os.fork() or time.sleep(600)\ntime.sleep(600)",
         "limits = { processes = 4 }", "4 are allowed"),
    ],
)  # fmt: skip
def test_limits_hold_and_are_named(config: Config, tmp_path: Path, text: str, settings: str, sentence: str) -> None:
    if "processes" in settings and os.getuid() != 0:
        sentence = "Resource temporarily unavailable"
    with pytest.raises(JobFailed) as failed:
        run_script(config, tmp_path, text, settings)
    assert sentence in str(failed.value)


def test_the_command_of_a_dead_worker_dies_too(config: Config, tmp_path: Path) -> None:
    path = script(tmp_path, FAMILY)
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from jobs.command.launch import Launch, Spec\n"
        "with Launch(Spec([sys.argv[2]], '/', {'PATH': '/usr/bin'}, 'marker')) as launch:\n"
        "    while b'ready' not in launch.read(): launch.wait(0.1)\n"
        "    print('up', flush=True); time.sleep(600)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code, str(ROOT), str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "up\n"
        wait_until(lambda: len(below(worker.pid)) >= 5, 20, "the whole family lives")
    finally:
        worker.kill()
        worker.communicate()
    wait_until(lambda: not running(path), 20, lambda: f"gone: {running(path)}")


def test_when_its_keeper_is_killed_the_command_goes_as_well(config: Config, tmp_path: Path) -> None:
    path = script(tmp_path, "import time\nprint('ready', flush=True)\ntime.sleep(600)")
    with Launch(Spec([str(path)], "/", {"TASKROOM_TASK_ID": "marker-of-this-test"}, "marker-of-this-test")) as launch:
        wait_until(lambda: b"ready" in launch.read(), 20, "it runs")
        os.kill(launch._keeper.pid, signal.SIGKILL)
        wait_until(lambda: {"lost": True} in launch.news(), 20, "the loss is told")
    assert running(path) == []
    assert end_marked("marker-of-this-test") == 0
