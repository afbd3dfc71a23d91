/** What the script writes first, with the machine behind it. What comes before is somebody else's. */
export const READY = "rsyscall-ready ";

/**
 * What has to be done where nothing of ours is: finds a place for the executable, receives it there from
 * stdin, and becomes it. It needs a POSIX shell, uname(1), chmod(1), wc(1), and head(1) with `-c`.
 *
 * A place must have room and let programs be executed, which is found out before the executable is sent,
 * because nobody could send it again: what is left of it in a pipe cannot be told from what follows. The
 * file is empty, ours alone and of a new name when it is made (O_EXCL), and goes before the program begins.
 * Where there is no such place, perl(1) makes one in memory, if it is there.
 *
 * It is one line, and without backslashes and exclamation marks: login shells through which it may go
 * (csh, fish) do not agree on what these mean in quotes.
 */
export const bootScript = [
  "umask 077",
  "machine=$(uname -m)",
  "file=",
  "tried=",
  `trap 'test -z "$file" || rm -f "$file"' 0`,
  // Of which the one before is the consequence.
  "trap 'exit 1' 1 2 13 15",
  `echo "${READY}$machine"`,
  "read -r size || exit 1",
  `for directory in /dev/shm "$XDG_RUNTIME_DIR" "$TMPDIR" /tmp /var/tmp "$HOME" .; do ${[
    `test -d "$directory" || continue`,
    // Of a name that nobody else makes, unless to be in the way.
    `try="$directory/.rsyscall-task-$$"`,
    `why=$( { set -C && : > "$try"; } 2>&1) || { tried="$tried $why;"; continue; }`,
    `file="$try"`,
    // What has no magic number is a script to any shell; the kernel says first whether it may be executed.
    `why=$( { echo exit && head -c "$size" /dev/zero; } 2>&1 > "$file" && chmod 700 "$file" && "$file" 2>&1) && break`,
    `tried="$tried $file: $why;"`,
    `rm -f "$file"`,
    "file=",
  ].join("; ")}; done`,
  `if test -z "$file"; then ${[
    "case $machine in x86_64) memfd_create=319;; *) memfd_create=279;; esac",
    `command -v perl > /dev/null && exec perl -e '${perlScript()}' "$size" "$memfd_create"`,
    `echo "rsyscall: no directory has room for a program and lets it be executed:$tried" >&2`,
    "exit 1",
  ].join("; ")}; fi`,
  `head -c "$size" > "$file"`,
  `test "$(wc -c < "$file")" -eq "$size" || { echo "rsyscall: the executable has not arrived as a whole" >&2; exit 1; }`,
  `exec "$file" --unlink command`,
].join("; ");

/** Receives as many bytes as it is told into a memfd, and executes that. */
function perlScript(): string {
  return [
    "use POSIX ()",
    "($left, $memfd_create) = @ARGV",
    `$name = "rsyscall-task"`,
    "sub broken { die join(q(: ), q(rsyscall), shift, POSIX::strerror(POSIX::errno())) }",
    "$fd = syscall($memfd_create, $name, 1)",
    "$fd < 0 and broken(q(memfd_create))",
    `open(FILE, ">&=", $fd) or broken(q(memfd))`,
    "while ($left > 0) { $got = sysread(STDIN, $bytes, $left) or exit 1; syswrite(FILE, $bytes) == $got or broken(q(memfd)); $left -= $got }",
    `exec { "/proc/self/fd/$fd" } $name, "command"`,
    "broken(q(cannot execute a memfd))",
  ].join("; ");
}
