import type { HandshakeProblem } from "@rsyscall/transport";

/** What the script writes first, with the machine behind it. Other programs wrote what comes before. */
export const READY = "rsyscall-ready ";

/** What the script or rsyscall-task writes to stdout when it cannot go on, with one of {@link refusals} behind it. */
export const REFUSED = "rsyscall-refused ";

const NOT_WHOLE = "the executable has not arrived as a whole";

/** Words that a command has to execute. */
export type Words = [program: string, ...args: ReadonlyArray<string>];

/** Of $1, the program for perl, and $2, the script without it. There may be no /dev/null. */
const start = [
  // It would change bytes.
  `if test -t 0 || test -t 1; then echo "${REFUSED}terminal"; exit 1; fi`,
  // In the words of uname(1), which is a process more, and of newer kernels only.
  "if test -r /proc/sys/kernel/arch; then read -r machine < /proc/sys/kernel/arch; else machine=$(uname -m); fi",
  `echo "${READY}$machine"`,
  // It would complain of locales that are not installed.
  `if perl=$(command -v perl); then PERL_BADLANG=0 exec "$perl" -e "$1" "$machine" "$2"; fi`,
  `eval "$2"`,
].join("; ");

/**
 * System calls are made by their numbers, so that nothing is to be loaded, and what execve(2) says is heard:
 * perl's own exec gives to a shell what is not for this machine. `$!`, the errno, has to be spelled otherwise.
 */
const perl = [
  "($machine, $script) = @ARGV",
  "delete $ENV{PERL_BADLANG}",
  // Which perl ignores, and so would all that begin here.
  "$SIG{FPE} = q(DEFAULT)",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is perl
  "sub errno { ${chr(33)} }",
  "sub broken { print STDERR join(q(: ), q(rsyscall), shift, errno()), chr(10); exit 1 }",
  `sub refuse { print STDOUT q(${REFUSED}), shift, chr(10); exit 1 }`,
  // stdin may not block: then EAGAIN is no end.
  "sub receive { " +
    [
      "while (1) { $got = sysread(STDIN, $bytes, $_[0])",
      "return $got if defined($got)",
      "errno() == 11 or errno() == 4 or return 0",
      "$ready = q()",
      "vec($ready, 0, 1) = 1",
      "select($ready, undef, undef, undef) }",
    ].join("; ") +
    " }",
  // memfd_create(2) and execveat(2).
  "%numbers = (x86_64 => [319, 322], aarch64 => [279, 281])",
  // A 32-bit perl on such a machine has other numbers.
  "($create, $execute) = length(pack(q(p), q())) == 8 ? @{$numbers{$machine} || []} : ()",
  "$name = q(rsyscall-task)",
  "sub execute { " +
    [
      "@words = ($name, q(command))",
      "@environment = map { join(q(=), $_, $ENV{$_}) } keys %ENV",
      "$argv = pack(q(p2J), @words, 0)",
      "$envp = pack(q(p) . @environment . q(J), @environment, 0)",
      // AT_EMPTY_PATH
      "syscall($execute, $fd, $empty = q(), $argv, $envp, 4096)",
    ].join("; ") +
    " }",
  // MFD_CLOEXEC, with MFD_EXEC where the kernel knows it.
  "$fd = -1",
  "if ($create) { $fd = syscall($create, $name, 17); $fd = syscall($create, $name, 1) if $fd < 0 }",
  // What may be executed, and is nothing yet, is no executable: ENOEXEC.
  "unless ($fd >= 0 && execute() < 0 && errno() == 8) { exec { q(/bin/sh) } q(rsyscall), q(-c), $script, q(rsyscall); broken(q(/bin/sh)) }",
  "open(FILE, q(>&=), $fd) or broken(q(memfd))",
  "$line = q()",
  "while (receive(1) && $bytes ne chr(10)) { $line .= $bytes }",
  "$line eq q() and refuse(q(stdin))",
  "($left) = split(q( ), $line)",
  `for (; $left > 0; $left -= $got) { receive($left) or broken(q(${NOT_WHOLE})); syswrite(FILE, $bytes) == $got or broken(q(memfd)) }`,
  "execute()",
  "broken(q(cannot execute what was sent))",
].join("; ");

/**
 * A place must have room and let programs be executed, and other users must not be able to replace what was put
 * there. The file is ours alone and new when it is made (O_EXCL), and goes before the program begins.
 *
 * Its name comes through the stream: all users see the words of a command, and `set -C` does not refuse what one
 * of them has put under a name that he knows beforehand, a FIFO for example.
 */
const inFile = [
  'broken() { echo "rsyscall: $1" >&2; exit 1; }',
  `refuse() { echo "${REFUSED}$1"; exit 1; }`,
  // Which no shell waits for, nor head(1). Flags are octal: 04000 is O_NONBLOCK.
  // The number 0 is that of the file itself meanwhile.
  `if test -r /proc/self/fdinfo/0; then while read -r key value; do case "$key$value" in flags:*[4567]???) refuse nonblocking;; esac; done 4<&0 < /proc/self/fdinfo/4; fi`,
  "size=",
  'read -r size token || { test -z "$size" && refuse stdin; }',
  `test -n "$token" || broken "${NOT_WHOLE}"`,
  "mask=$(umask)",
  "umask 077",
  "set -C",
  "file=",
  "tried=",
  `trap 'test -z "$file" || rm -f "$file"' 0`,
  // Of which the one before is the consequence.
  "trap 'exit 1' 1 2 13 15",
  `for directory in /dev/shm "$XDG_RUNTIME_DIR" "$TMPDIR" /tmp /var/tmp "$HOME" .; do ${[
    `test -d "$directory" || continue`,
    // Sticky, or not for others to write to.
    `case "$(ls -ldL -- "$directory")" in d????????[tT]*|d????-??-*) ;; *) tried="$tried $directory: others may write to it;"; continue;; esac`,
    `file="$directory/.rsyscall-task-$token"`,
    // Whether it may be executed is what the kernel looks at first. What has no magic number is a script then,
    // which some shell may fail to run in its own ways.
    `why=$( { printf "%-\${size}s" exit > "$file" && chmod 700 "$file" && { "$file"; test $? -ne 126; }; } 2>&1 ) && break`,
    `tried="$tried $directory: $why;"`,
    `rm -f "$file"`,
    "file=",
  ].join("; ")}; done`,
  `test -n "$file" || broken "no directory has room for a program and lets it be executed:$tried"`,
  `head -c "$size" >| "$file"`,
  `test "$(wc -c < "$file")" -eq "$size" || broken "${NOT_WHOLE}"`,
  // What begins here has that of the command.
  'umask "$mask"',
  `exec "$file" --unlink command`,
].join("; ");

/**
 * What has to be done where nothing of ours is: receives the executable from stdin, and becomes it. It takes a
 * POSIX shell, and
 *
 * - perl(1), where memfds can be made and executed (it is asked first): then it is nowhere but in memory;
 * - otherwise chmod(1), ls(1), wc(1), and head(1) with `-c`, and a directory with room in which programs can be
 *   executed. There it has a name for as long as it takes to come.
 *
 * It begins with the machine that this is, and gets a line with the size of the executable and a name that
 * cannot be guessed, and the executable.
 *
 * No word has newlines, backslashes or exclamation marks: login shells through which they may go (csh, fish)
 * do not agree on what these mean in quotes.
 */
export const bootWords: Words = ["/bin/sh", "-c", start, "rsyscall", perl, inFile];

/** Why what has begun behind a command cannot go on. */
export const refusals = {
  terminal: {
    kind: "Terminal",
    problem:
      "its stdin or stdout is a terminal, which changes bytes: leave out the option that makes one (`-t` of docker, kubectl and ssh)",
  },
  stdin: {
    kind: "NoStdin",
    problem:
      "its stdin has ended before anything came: the command must pass its own on (`-i` of docker and kubectl)",
  },
  nonblocking: {
    kind: "NonblockingStdin",
    problem:
      "its stdin does not block (O_NONBLOCK), which no shell can read: give it a pipe (`cat | COMMAND`), have perl(1) there, or rsyscall-task (`executable`)",
  },
} as const satisfies Readonly<Record<string, Refusal>>;

export interface Refusal {
  readonly kind: HandshakeProblem;
  readonly problem: string;
}
