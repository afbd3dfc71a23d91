import { Command, Flag } from "effect/cli";
import { command, file, wholeNumber } from "../flags.ts";
import { perform } from "../perform.ts";

/** Runs a command whose programs are mocked. */
export const mock = Command.make(
  "mock",
  {
    on: Flag.String("on").pipe(
      Flag.withMetavar("RULE"),
      Flag.withDescription(
        "A rule: 'git push', 'git *=pass', 'sendmail -t:status=75', 'ssh host=deny'. The first that fits decides",
      ),
      Flag.atLeast(0),
    ),
    handler: Flag.String("handler").pipe(
      Flag.withMetavar("PATTERN=COMMAND"),
      Flag.withDescription(
        "A program that answers calls, in any language: JSON lines on its stdin and stdout",
      ),
      Flag.atLeast(0),
    ),
    handlerLimit: wholeNumber(
      "handler-limit",
      "MS",
      "How long a handler may take for an answer, in milliseconds",
    ).pipe(Flag.withDefault(30_000)),
    spec: Flag.String("spec").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("A module, also in TypeScript, whose default export is (m) => { ... }"),
      Flag.atLeast(0),
    ),
    hermetic: Flag.Boolean("hermetic").pipe(
      Flag.withDescription(
        "PATH has nothing but the mocks, and what is allowed; what goes around PATH is named",
      ),
      Flag.withDefault(false),
    ),
    denyAroundPath: Flag.Boolean("deny-around-path").pipe(
      Flag.withDescription("With --hermetic: what goes around PATH gets EACCES"),
      Flag.withDefault(false),
    ),
    everything: Flag.Boolean("everything").pipe(
      Flag.withDescription(
        "Each name of PATH leads to the mocks: what no rule is for is an error. A rule for * means it",
      ),
      Flag.withDefault(false),
    ),
    allow: Flag.String("allow").pipe(
      Flag.withMetavar("A,B"),
      Flag.withDescription(
        "With --hermetic and --everything: programs that are the real ones. With --hermetic also paths, and directories/",
      ),
      Flag.atLeast(0),
    ),
    strict: Flag.Boolean("strict").pipe(
      Flag.withDescription(
        "Each rule of --on that does not say how often must be called at least once",
      ),
      Flag.withDefault(false),
    ),
    record: file("record", "Let calls that no rule is for run, and record them; FILE is replaced"),
    replay: file(
      "replay",
      "Answer calls by what was recorded. Others, and missing ones, are errors",
    ),
    programs: Flag.String("programs").pipe(
      Flag.withMetavar("A,B"),
      Flag.withDescription("With --record: what to record. Default: every name of PATH"),
      Flag.atLeast(0),
    ),
    log: file("log", "Append a line of JSON for each call as it comes, for rsyscall expect"),
    report: Flag.String("report").pipe(
      Flag.withMetavar("json:FILE|junit:FILE"),
      Flag.withDescription("Write what was expected and what came; - is stdout"),
      Flag.atLeast(0),
    ),
    command,
  },
  (options) => perform(() => import("../run/mock.ts"), options),
).pipe(
  Command.withShortDescription("Run a command whose programs are mocked"),
  Command.withDescription(
    "Runs a command whose programs are mocked. Its exit status is that of the command; 128 and the number of the " +
      "signal that has ended it; 1 and a list of what is wrong if calls were unexpected or missing; 2 for wrong usage.",
  ),
  Command.withExamples([
    {
      command: "rsyscall mock --on 'git push' --on 'git *=pass' -- ./deploy.sh",
      description: "git push does nothing, and all else of git is the real one",
    },
    {
      command:
        "rsyscall mock --hermetic --allow sh,sed --on 'sendmail -t:status=75,times=1' -- ./deploy.sh",
      description: "Nothing else can be run, and the mail fails once",
    },
    {
      command:
        "rsyscall mock --on 'docker build *:stdout=built\\n,delay=100' --log calls.jsonl -- bats test/",
      description: "Log the calls, for rsyscall expect in a test",
    },
    {
      command: "rsyscall mock --handler 'git=python3 fake_git.py' -- pytest -q",
      description: "A handler in Python",
    },
    {
      command: "rsyscall mock --record deploy.json --programs git,ssh -- ./deploy.sh",
      description: "Record real calls; --replay deploy.json answers by them",
    },
    {
      command: "rsyscall mock --spec mocks.ts --report junit:mocks.xml -- npm test",
      description: "Handlers in TypeScript",
    },
  ]),
);
