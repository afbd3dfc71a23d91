/*
 * Tries the packages as users have them: packed, installed from the tarballs beside other tools, and run. It needs the
 * npm registry, so it is no test; `npm run release` does it before it publishes.
 *
 *   node scripts/compat.mjs          everything
 *   node scripts/compat.mjs jest     what has this in its name
 */
import { checks } from "./compat/checks.mjs";
import { pack } from "./packed.mjs";

const words = process.argv.slice(2);
pack();
for (const [name, of] of Object.entries(checks))
  if (words.length === 0 || words.some((word) => name.includes(word))) of();
