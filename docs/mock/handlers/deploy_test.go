// Run by: rsyscall mock --handler 'git=python3 fake_git.py' -- go test ./...
package deploy

import (
	"os/exec"
	"testing"
)

func TestPush(t *testing.T) {
	output, err := exec.Command("git", "push", "origin", "main").CombinedOutput()
	if err != nil || string(output) != "pushed 1\n" {
		t.Fatalf("%v: %q", err, output)
	}
}

func TestForceIsRefused(t *testing.T) {
	err := exec.Command("git", "push", "--force").Run()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != 1 {
		t.Fatalf("git push --force gave %v", err)
	}
}
