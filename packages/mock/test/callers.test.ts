import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, notRoot } from "@rsyscall/harness";
import { assert, describe, it } from "vitest";
import { pass, spy } from "../src/index.ts";
import { directory, make, run, sh, text } from "./mocks.ts";

/*
 * Programs that call others, and know nothing of us.
 */

/** A test that is skipped by name and reason where a program is missing. */
const needs = (program: string, name: string, test: () => Promise<void>) => {
  const reason = missing(program);
  it.skipIf(reason !== undefined)(
    reason === undefined ? name : `${name} (skipped: ${reason})`,
    test,
  );
};

const HERMETIC = { ...process.env, PATH: "/usr/bin:/bin:/usr/sbin:/sbin", HOME: "/nonexistent" };

const GIT = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.com",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.com",
};

describe("git", () => {
  const repository = () => {
    const cwd = directory();
    sh(
      { env: HERMETIC as never },
      "git init -q -b main . && git commit -q --allow-empty -m first",
      {
        cwd,
        env: GIT,
      },
    );
    return cwd;
  };

  needs("git", "runs its editor", async () => {
    const cwd = repository();
    const m = await make({ env: { ...HERMETIC, ...GIT, GIT_EDITOR: "my-editor --wait" } });
    m("my-editor", "--wait", /COMMIT_EDITMSG$/)
      .reply(async ({ args }) => {
        writeFileSync(args[1] as string, "from the editor\n");
        return 0;
      })
      .once();
    await run("git", ["commit", "-q", "--allow-empty"], { cwd, env: m.env });
    assert.equal(sh(m, "git log -1 --format=%s", { cwd }).stdout, "from the editor\n");
    m.verify();
  });

  needs("git", "connects by ssh", async () => {
    const m = await make({ env: { ...HERMETIC, ...GIT, GIT_SSH_COMMAND: "ssh -F none" } });
    m.ssh("-F", "none").reply({ stderr: "down\n", status: 255 });
    const { status, stderr } = sh(m, "git ls-remote deploy@host:repo.git");
    assert.equal(status, 128);
    assert.include(stderr, "down\n");
    const { argv = [] } = m.ssh.calls.at(-1) ?? {};
    assert.include(argv, "deploy@host");
    assert.include(argv.join(" "), "git-upload-pack 'repo.git'");
  });

  needs("git", "runs hooks, which run others", async () => {
    const cwd = repository();
    const hook = join(cwd, ".git/hooks/pre-commit");
    mkdirSync(join(cwd, ".git/hooks"), { recursive: true });
    writeFileSync(hook, "#!/bin/sh\nlint --staged || exit 1\n");
    chmodSync(hook, 0o755);
    const m = await make({ env: { ...HERMETIC, ...GIT } });
    m("lint", "--staged").reply(1).thenReply(0);
    assert.equal(sh(m, "git commit -q --allow-empty -m no", { cwd }).status, 1);
    assert.equal(sh(m, "git commit -q --allow-empty -m yes", { cwd }).status, 0);
    assert.lengthOf(m.calls, 2);
  });

  needs("git", "asks a credential helper", async () => {
    const m = await make({ env: { ...HERMETIC, ...GIT } });
    m("git-credential-mine", "get")
      .where({ stdin: /host=example\.com\n/ })
      .reply("username=me\npassword=hush\n")
      .once();
    const { stdout } = sh(
      m,
      "printf 'protocol=https\\nhost=example.com\\n\\n' | git -c credential.helper=mine credential fill",
    );
    assert.include(stdout, "password=hush\n");
    m.verify();
  });
});

describe("callers", () => {
  needs("make", "make, in parallel", async () => {
    const cwd = directory();
    writeFileSync(join(cwd, "Makefile"), "all: a b c d\n%:\n\t@compile $@\n");
    const m = await make({ env: HERMETIC });
    m("compile", "c").reply(3);
    m.program("compile").otherwise("");
    const { status, stderr } = sh(m, "make -k -j4 a b c d", { cwd });
    assert.equal(status, 2);
    assert.match(stderr, /c\] Error 3/);
    assert.sameMembers(
      m.calls.map(({ argv }) => argv[1]),
      ["a", "b", "c", "d"],
    );
  });

  needs("gcc", "gcc, which finds `as` and `ld` by PATH or -B", async () => {
    const cwd = directory();
    writeFileSync(join(cwd, "x.c"), "int main(void) { return 0; }\n");
    const m = await make({ env: HERMETIC });
    m.as.reply(spy);
    assert.equal(sh(m, `gcc -B${m.directory}/bin/ -c x.c`, { cwd }).status, 0);
    m.ld.reply({ stderr: "ld: no\n", status: 1 });
    const { status, stderr } = sh(m, `gcc -fno-lto -B${m.directory}/bin/ x.c`, { cwd });
    assert.equal(status, 1);
    assert.include(stderr, "ld: no");
    assert.isNotEmpty(m.as.calls);
  });

  needs("python3", "python's subprocess", async () => {
    const m = await make({ env: HERMETIC });
    m.docker("ps").reply({ stdout: "[]\n", stderr: "warning\n", status: 2 });
    const code = `
import subprocess
r = subprocess.run(["docker", "ps"], capture_output=True, text=True, input="x")
print(r.returncode, repr(r.stdout), repr(r.stderr), subprocess.getstatusoutput("docker ps 2>/dev/null"))`;
    assert.equal(
      sh(m, `exec python3 -c '${code.replaceAll("'", "'\\''")}'`).stdout,
      "2 '[]\\n' 'warning\\n' (2, '[]')\n",
    );
  });

  needs("perl", "perl's system, exec, backticks and pipes", async () => {
    const m = await make({ env: HERMETIC });
    m.mail.reply({ stdout: "sent\n", status: 3 });
    const code =
      'system("mail","a b"); print $?>>8, "\\n"; print `mail x`; open(P,"|-","mail","y"); print P "in"; close P; exec "mail","z"';
    assert.equal(sh(m, `perl -e '$|=1; ${code}'`).stdout, "sent\n3\nsent\nsent\nsent\n");
    assert.deepEqual(
      m.mail.calls.map(({ argv }) => argv[1]),
      ["a b", "x", "y", "z"],
    );
  });

  needs("busybox", "busybox's shell, where it has no applet of its own", async () => {
    const m = await make({ env: HERMETIC });
    m("deploy").reply("deployed\n");
    assert.equal(sh(m, "busybox sh -c 'deploy now | busybox cat'").stdout, "deployed\n");
  });

  needs("tmux", "tmux's run-shell", async () => {
    const m = await make({ env: { ...HERMETIC, TMUX_TMPDIR: directory() } });
    m("notify", "done").reply("told\n");
    const { stdout, stderr } = sh(
      m,
      "tmux -L t -f /dev/null new-session -d 'sleep 60' \\; run-shell 'notify done' ; tmux -L t kill-server",
    );
    assert.lengthOf(m.calls, 1, stdout + stderr);
  });

  needs("sudo", "sudo, with the PATH that it keeps", async () => {
    if (notRoot !== undefined) return;
    const m = await make({ env: HERMETIC });
    m.systemctl("restart", "nginx").reply(5);
    assert.equal(sh(m, 'sudo -n env "PATH=$PATH" systemctl restart nginx').status, 5);
  });

  it("cron's command line: a shell with a minimal environment", async () => {
    const m = await make({
      env: { PATH: "/usr/bin:/bin", HOME: "/", LOGNAME: "root", SHELL: "/bin/sh" },
    });
    m("backup", "--daily").reply("done\n").once();
    assert.equal(sh(m, "unset OLDPWD; backup --daily >&2", { cwd: "/" }).stderr, "done\n");
    assert.sameMembers(Object.keys(m.calls[0]?.env ?? {}), [
      "PATH",
      "HOME",
      "LOGNAME",
      "SHELL",
      "PWD",
    ]);
  });

  needs("s-nail", "s-nail, which sends by sendmail", async () => {
    const m = await make({ env: { ...HERMETIC, HOME: directory() } });
    m.sendmail.reply(75);
    sh(
      m,
      `echo body | s-nail -n -Smta=file://${m.directory}/bin/sendmail -Ssendwait -s subject a@example.com`,
    );
    assert.include(m.sendmail.calls[0]?.argv ?? [], "a@example.com");
  });

  needs("mutt", "mutt, which sends by sendmail", async () => {
    const home = directory();
    const m = await make({ env: { ...HERMETIC, HOME: home } });
    m.sendmail.reply(0);
    sh(
      m,
      `echo body | mutt -n -F /dev/null -e 'set sendmail="${m.directory}/bin/sendmail -oi"' -e 'set copy=no' -s subject -- a@example.com`,
    );
    assert.include(m.sendmail.calls[0]?.argv ?? [], "a@example.com");
  });

  it("a shell's pipeline of the real programs, spied on", async () => {
    const m = await make({ env: HERMETIC });
    for (const name of ["sort", "uniq"]) m(name).reply(spy);
    m.cat.reply(pass);
    assert.equal(
      sh(m, "printf 'b\\na\\nb\\n' | cat | sort | uniq -c | tr -d ' '").stdout,
      "1a\n2b\n",
    );
    assert.equal(text(m.sort.calls[0]?.stdout), "a\nb\nb\n");
  });
});
