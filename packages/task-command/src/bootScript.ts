import type { HandshakeProblem } from "@rsyscall/transport";

/** The script's first output, followed by the machine. Anything before it is from other programs. */
export const READY = "rsyscall-ready ";

/** The output of the script or rsyscall-task if it cannot go on, followed by one of {@link refusals}. */
export const REFUSED = "rsyscall-refused ";

const NOT_WHOLE = "the executable has not arrived as a whole";

/** The words that a command must execute. */
export type Words = [program: string, ...args: ReadonlyArray<string>];

/** The first script. $1 is the program for perl, $2 the script for a machine without perl. /dev/null may not exist. */
const start = [
  // A terminal would change bytes.
  `if test -t 0 || test -t 1; then echo "${REFUSED}terminal"; exit 1; fi`,
  // The name that uname(1) would give. The file needs no further process, but only newer kernels have it.
  "if test -r /proc/sys/kernel/arch; then read -r machine < /proc/sys/kernel/arch; else machine=$(uname -m); fi",
  `echo "${READY}$machine"`,
  // hash(1) fails if there is none, and needs no process, as $(command -v perl) does. Without a locale perl begins
  // sooner, and does not warn about one that is not installed. The program gets that of the command.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is shell
  'if hash perl 2>&-; then LC_ALL=C exec perl -e "$1" "$machine" "$2" ${LC_ALL+"$LC_ALL"}; fi',
  `eval "$2"`,
].join("; ");

/**
 * System calls are made by their numbers: no module has to be loaded, and the errno of execve(2) is available (perl's
 * own exec runs an executable of another machine with a shell). `$!`, the errno, cannot be written as such.
 */
const perl = [
  "($machine, $script, @locale) = @ARGV",
  "@locale ? ($ENV{LC_ALL} = $locale[0]) : delete $ENV{LC_ALL}",
  // perl ignores SIGFPE, and programs that are executed would inherit that.
  "$SIG{FPE} = q(DEFAULT)",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is perl
  "sub errno { ${chr(33)} }",
  "sub broken { print STDERR join(q(: ), q(rsyscall), shift, errno()), chr(10); exit 1 }",
  `sub refuse { print STDOUT q(${REFUSED}), shift, chr(10); exit 1 }`,
  // stdin may be non-blocking: then EAGAIN is not the end.
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
  // MFD_CLOEXEC, with MFD_EXEC if the kernel knows it.
  "$fd = -1",
  "if ($create) { $fd = syscall($create, $name, 17); $fd = syscall($create, $name, 1) if $fd < 0 }",
  // If the empty memfd may be executed, the error is ENOEXEC.
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
 * The second script, without perl. The directory must have room and let programs be executed, and other users must
 * not be able to replace files in it. The file is new when it is made (O_EXCL), accessible to this user only, and
 * removed before the program begins.
 *
 * Its name comes through the stream, because all users see the words of a command: a user with the name could put
 * a FIFO there, for example, which `set -C` does not refuse.
 */
const inFile = [
  'broken() { echo "rsyscall: $1" >&2; exit 1; }',
  `refuse() { echo "${REFUSED}$1"; exit 1; }`,
  // Shells and head(1) do not wait for a non-blocking stdin. Flags are octal: 04000 is O_NONBLOCK.
  // Descriptor 0 is /proc/self/fdinfo/4 meanwhile, so stdin is examined as descriptor 4.
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
  // A signal exits the script, so that the trap above runs.
  "trap 'exit 1' 1 2 13 15",
  `for directory in /dev/shm "$XDG_RUNTIME_DIR" "$TMPDIR" /tmp /var/tmp "$HOME" .; do ${[
    `test -d "$directory" || continue`,
    // The directory must be sticky, or not writable by other users.
    `case "$(ls -ldL -- "$directory")" in d????????[tT]*|d????-??-*) ;; *) tried="$tried $directory: others may write to it;"; continue;; esac`,
    `file="$directory/.rsyscall-task-$token"`,
    // The kernel checks first whether a file may be executed. A file without a magic number is then run as a script,
    // at which a shell may fail in its own ways.
    `why=$( { printf "%-\${size}s" exit > "$file" && chmod 700 "$file" && { "$file"; test $? -ne 126; }; } 2>&1 ) && break`,
    `tried="$tried $directory: $why;"`,
    `rm -f "$file"`,
    "file=",
  ].join("; ")}; done`,
  `test -n "$file" || broken "no directory has room for a program and lets it be executed:$tried"`,
  `head -c "$size" >| "$file"`,
  `test "$(wc -c < "$file")" -eq "$size" || broken "${NOT_WHOLE}"`,
  // The program gets the umask of the command.
  'umask "$mask"',
  `exec "$file" --unlink command`,
].join("; ");

/**
 * The words for a machine on which nothing is installed: they receive the executable from stdin and execute it. They
 * need a POSIX shell, and
 *
 * - perl(1), if memfds can be made and executed (which is tried first): then the executable is only in memory;
 * - otherwise chmod(1), ls(1), wc(1), and head(1) with `-c`, and a directory with room in which programs can be
 *   executed. The executable has a name there while it is received.
 *
 * The script first writes the name of its machine. Then it reads a line with the size of the executable and an
 * unguessable name, and the executable.
 *
 * No word has newlines, backslashes or exclamation marks, because login shells through which the words may go (csh,
 * fish) read these differently in quotes.
 */
export const bootWords: Words = ["/bin/sh", "-c", start, "rsyscall", perl, inFile];

/** The reasons why the script, or rsyscall-task, cannot go on. */
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
