/** What the script writes first, with the machine behind it. What comes before is somebody else's. */
export const READY = "rsyscall-ready ";

const NOT_WHOLE = "the executable has not arrived as a whole";

/** Words that a command has to execute. */
export type Words = [program: string, ...args: ReadonlyArray<string>];

/**
 * What has to be done where nothing of ours is: receives the executable from stdin, and becomes it. It takes a
 * POSIX shell, and
 *
 * - perl(1), where memfds can be made and executed (it is asked first): then it is nowhere but in memory;
 * - otherwise chmod(1), wc(1), and head(1) with `-c`, and a directory with room in which programs can be
 *   executed. There it has a name for as long as it takes to come.
 *
 * It begins with the machine that this is, and gets a line with the size of the executable, and the executable.
 *
 * No word has newlines, backslashes or exclamation marks: login shells through which they may go (csh, fish)
 * do not agree on what these mean in quotes.
 *
 * @param token a name that nobody else has
 * @param room bytes that there will be at most
 */
export const bootWords = (token: string, room: number): Words => [
  ...(["/bin/sh", "-c", start, "rsyscall", perl] as const),
  inFile(token, room),
];

/** Of $1, the program for perl, and $2, the script without it. There may be no /dev/null. */
const start = [
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
  "$size = q()",
  "while (sysread(STDIN, $byte, 1) && $byte ne chr(10)) { $size .= $byte }",
  `$size eq q() and broken(q(${NOT_WHOLE}))`,
  `for ($left = $size; $left > 0; $left -= $got) { $got = sysread(STDIN, $bytes, $left) or broken(q(${NOT_WHOLE})); syswrite(FILE, $bytes) == $got or broken(q(memfd)) }`,
  "execute()",
  "broken(q(cannot execute what was sent))",
].join("; ");

/**
 * A place must have room and let programs be executed, which is found out before the executable is sent,
 * because nobody could send it again: what is left of it in a pipe cannot be told from what follows. The file
 * is ours alone and new when it is made (O_EXCL), and goes before the program begins.
 */
const inFile = (token: string, room: number): string =>
  [
    'broken() { echo "rsyscall: $1" >&2; exit 1; }',
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
      `file="$directory/.rsyscall-task-${token}"`,
      // Whether it may be executed is what the kernel looks at first. What has no magic number is a script then,
      // which some shell may fail to run in its own ways.
      `why=$( { printf "%-${room}s" exit > "$file" && chmod 700 "$file" && { "$file"; test $? -ne 126; }; } 2>&1 ) && break`,
      `tried="$tried $directory: $why;"`,
      `rm -f "$file"`,
      "file=",
    ].join("; ")}; done`,
    `test -n "$file" || broken "no directory has room for a program and lets it be executed:$tried"`,
    `read -r size || broken "${NOT_WHOLE}"`,
    `head -c "$size" >| "$file"`,
    `test "$(wc -c < "$file")" -eq "$size" || broken "${NOT_WHOLE}"`,
    // What begins here has that of whoever runs the command.
    'umask "$mask"',
    `exec "$file" --unlink command`,
  ].join("; ");
