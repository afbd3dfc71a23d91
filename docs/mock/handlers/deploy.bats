#!/usr/bin/env bats
# Run by: rsyscall mock --handler 'git=python3 fake_git.py' --log "$PWD/calls.jsonl" -- bats deploy.bats

@test "pushes once" {
  run git push origin main
  [ "$status" -eq 0 ]
  npx rsyscall expect calls.jsonl 'git push origin *' --times 1
}

@test "force is refused" {
  run git push --force
  [ "$status" -eq 1 ]
  [ "$output" = "remote: no force here" ]
}
