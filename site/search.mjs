import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** The words that the search of the site must find. */
const words = ["memfd", "sendmail", "container", "errno"];

/**
 * What is wrong with the index of the search, which the browser loads.
 *
 * @param folder where the site is
 * @returns a line for each problem
 */
export const searchProblems = async (folder) => {
  const chunks = join(folder, "assets/chunks");
  const name = readdirSync(chunks).find((file) => file.includes("localSearchIndex"));
  if (name === undefined) return ["the site has no search index"];
  const { default: index } = await import(pathToFileURL(join(chunks, name)).href);
  const known = new Set(JSON.parse(index).index.map(([word]) => word));
  return words.filter((word) => !known.has(word)).map((word) => `the search does not find ${word}`);
};
