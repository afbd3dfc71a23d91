/* The table of lies: what a client says that is not so, and what must come of it. One row each. The liar
 * (liar.mjs) tells them, the controller (controller.mjs) does meanwhile what `use` names (uses.mjs). */

/** Answers of system calls and operations, by name. */
const answers = (table) => () => table;

export const lies = {
  "none: all is as it should be": { use: "passFrom", lie: answers({}), outcome: /^success: 1$/ },
};
