import { Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { wholeNumber } from "../flags.ts";
import { perform } from "../perform.ts";

/** Runs a command on many hosts. */
export const fleet = Command.make(
  "fleet",
  {
    hosts: Flag.String("hosts").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription(
        "A host on each line: user@host, with options of ssh behind it; 'NAME = user@host'; 'NAME = !COMMAND' for a command that runs the words behind it there. - is stdin",
      ),
      Flag.atLeast(0),
    ),
    host: Flag.String("host").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription(
        "With --hosts: only this host of the files. Without: a host, as a line of a file has it",
      ),
      Flag.atLeast(0),
    ),
    concurrency: wholeNumber("concurrency", "N", "How many hosts at a time. Default 20", 1).pipe(
      Flag.withDefault(20),
    ),
    stopAfter: wholeNumber("stop-after", "N", "Begin no other host when N have failed", 1).pipe(
      Flag.optional,
      Flag.map(Option.getOrUndefined),
    ),
    timeout: wholeNumber(
      "timeout",
      "SECONDS",
      "How long the command may run on a host; it is killed then. Default: as long as it takes",
      1,
    ).pipe(Flag.optional, Flag.map(Option.getOrUndefined)),
    connectTimeout: wholeNumber(
      "connect-timeout",
      "SECONDS",
      "How long a host may take until it answers. Default 30",
      1,
    ).pipe(Flag.withDefault(30)),
    sshOption: Flag.String("ssh-option").pipe(
      Flag.withMetavar("OPTION"),
      Flag.withDescription(
        "For ssh on every host: ProxyJump=bastion, as behind its -o; or, with a dash, words of its command line: --ssh-option='-p 2222'",
      ),
      Flag.atLeast(0),
    ),
    shell: Flag.Boolean("shell").pipe(
      Flag.withDescription("The words are a text for the login shell there, as with ssh"),
      Flag.withDefault(false),
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Write the results by host as JSON, each as it comes"),
      Flag.withDefault(false),
    ),
    quiet: Flag.Boolean("quiet").pipe(
      Flag.withDescription("No progress and no summary: only what the hosts say, and failures"),
      Flag.withDefault(false),
    ),
    command: Argument.String("command").pipe(
      Argument.withDescription("The command, with its arguments, behind --"),
      Argument.variadic({ min: 1 }),
    ),
  },
  (options) => perform(() => import("../run/fleet.ts"), options),
).pipe(
  Command.withShortDescription("Run a command on many hosts"),
  Command.withDescription(
    "Runs a command on many hosts by your own ssh, with its configuration, keys and agent; nothing has to be installed " +
      "there, and nothing is left. Each line of output has the name of its host before it, and is escaped. The exit status " +
      "is 0 if the command exited with 0 on every host, 1 if not, 2 for wrong usage, and 130 after Ctrl-C: the commands " +
      "that run are killed then. Needs Node 22.19.",
  ),
  Command.withExamples([
    { command: "rsyscall fleet --hosts hosts.txt --concurrency 20 -- uptime" },
    {
      command: "rsyscall fleet --host web1 --host deploy@web2 --shell -- 'df -h / | tail -1'",
      description: "Hosts without a file, and a text for their shells",
    },
    {
      command:
        "rsyscall fleet --hosts hosts.txt --stop-after 1 --json -- ./deploy.sh > results.json",
      description: "Begin no other host after the first failure, and keep the results",
    },
  ]),
);
