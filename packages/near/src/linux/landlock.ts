import { define } from "../define.ts";
import type { Address, Fd } from "../identifiers.ts";
import { fd, flags, input, oneOf, size } from "../kinds.ts";
import { bytes, unknown } from "../Memory.ts";
import { newFd, nothing } from "../Result.ts";

/** landlock_create_ruleset(2). With LANDLOCK_CREATE_RULESET_VERSION among the flags, the result is a version. */
export const landlockCreateRuleset = define<
  [attributes: Address, length: number, flags: number],
  Fd
>(
  "landlock_create_ruleset",
  [
    input(bytes(1), "attributes"),
    size,
    flags("LANDLOCK_CREATE_RULESET_", { VERSION: 1, ERRATA: 2 }),
  ],
  newFd,
);

/** landlock_add_rule(2) */
export const landlockAddRule = define<
  [ruleset: Fd, type: number, rule: Address, flags: number],
  void
>(
  "landlock_add_rule",
  [
    fd.as("ruleset"),
    oneOf("LANDLOCK_RULE_", { PATH_BENEATH: 1, NET_PORT: 2 }, "type"),
    input(unknown, "rule"),
    flags(),
  ],
  nothing,
);

/** landlock_restrict_self(2), for this task only. */
export const landlockRestrictSelf = define<[ruleset: Fd, flags: number], void>(
  "landlock_restrict_self",
  [fd.as("ruleset"), flags()],
  nothing,
);
