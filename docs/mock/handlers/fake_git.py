#!/usr/bin/env python3
"""Answers the calls of git, for rsyscall mock --handler 'git=python3 fake_git.py'."""
import json
import sys

pushed = []


def answer(call):
    args = call["argv"][1:]
    if args[:1] == ["push"]:
        pushed.append(args[1:])
        if "--force" in args:
            return {"stderr": "remote: no force here\n", "status": 1}
        return {"stderr": f"pushed {len(pushed)}\n"}
    if args[:1] == ["commit"]:
        # The message is on stdin: ask for it, and the call comes again with it.
        if "stdin" not in call:
            return {"want": "stdin"}
        return {"stdout": f"[main 0c0ffee] {call['stdin'].splitlines()[0]}\n"}
    if args == ["rev-parse", "HEAD"]:
        return {"stdout": "0c0ffee\n"}
    return {"pass": True}


for line in sys.stdin:
    call = json.loads(line)
    print(json.dumps({"id": call["id"], **answer(call)}), flush=True)
