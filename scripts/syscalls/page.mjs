/** As many as there is room for, and how many more there are. */
const atMost = (count, names) => {
  const shown = names.slice(0, count).map((name) => `\`${name}\``);
  const rest = names.length - shown.length;
  return [...shown, ...(rest > 0 ? [`${rest} more`] : [])].join(", ");
};

/** A test without what all have. */
const shortened = (path) => path.replace(/^(packages|tests)\//, "").replace(/\.test\.ts$/, "");

const row = (cells) => `| ${cells.join(" | ")} |`;

/** The page, from the table and what near says of versions and of calls that it does not define. */
export const pageOf = (table, since, refused) => `# System calls

Made by \`npm run syscalls\`. Do not edit.

Linux has ${table.length + refused.flatMap(({ names }) => names).length} system calls on x86-64 and arm64 together. ${table.length} of them are defined: each is a function of
\`@rsyscall/near\`, in the file that is named as the header in its man page.

- *handles*: the functions and methods that make the call and own what it opens, of \`@rsyscall/handle\` and the
  packages above it. A call without them is made by [its function of near](raw-calls.md).
- *since*: the version of Linux that brought the call.
- *tested in*: the tests that refer to the function, or to what is in the column of handles; most frequent first.

${[
  row(["call", "header", "near", "handles", "since", "tested in"]),
  row(["---", "---", "---", "---", "---", "---"]),
  ...table.map(({ call, header, near, handles, tests }) =>
    row([
      `${call}(2)`,
      `\`${header}\``,
      `\`${near}\``,
      atMost(3, handles),
      since(call) ?? "",
      atMost(3, tests.map(shortened)),
    ]),
  ),
].join("\n")}

## Calls without a definition

\`call\` and \`SyscallInterface.syscall\` can make them.

${refused
  .map(
    ({ reason, names }) =>
      `${reason}\n\n${[...names]
        .sort()
        .map((name) => `\`${name}\``)
        .join(", ")}.\n`,
  )
  .join("\n")}`;
