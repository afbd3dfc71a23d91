"""Run by: rsyscall mock --handler 'git=python3 fake_git.py' --log calls.jsonl -- pytest -q test_deploy.py"""
import subprocess


def sh(script):
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True)


def test_push():
    assert sh("git push origin main").stderr == "pushed 1\n"


def test_force_is_refused():
    result = sh("git push --force")
    assert (result.returncode, result.stderr) == (1, "remote: no force here\n")


def test_commit_reads_its_message():
    assert sh("echo 'a message' | git commit -F -").stdout == "[main 0c0ffee] a message\n"


def test_the_rest_is_the_real_git():
    assert sh("git --version").stdout.startswith("git version")
