import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";

const decoded = (text) => decodeURIComponent(text.replaceAll("&amp;", "&"));

/**
 * The links of a built site that lead nowhere.
 *
 * @param folder where the site is
 * @param base the path by which it is served, between slashes
 * @returns a line for each, with the page that has it
 */
export const brokenLinks = (folder, base = "/") => {
  const pages = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".html"));
  const texts = new Map(pages.map((page) => [page, readFileSync(join(folder, page), "utf8")]));
  const ids = new Map();
  const idsOf = (page) => {
    const known = ids.get(page);
    if (known !== undefined) return known;
    const found = new Set(
      [...texts.get(page).matchAll(/\s(?:id|name)="([^"]+)"/g)].map(([, id]) => decoded(id)),
    );
    ids.set(page, found);
    return found;
  };
  const problem = (page, link) => {
    if (/^(https?:|mailto:|data:)/.test(link)) return undefined;
    const [path, anchor] = decoded(link).split("#");
    // TypeDoc names these places, and does not make all of them: type parameters of a type within a type, and types
    // that other types implement but do not extend.
    if (page.startsWith("api/") && (/__type/.test(anchor) || path.endsWith("hierarchy.html")))
      return undefined;
    const absolute = path.startsWith("/");
    if (absolute && !path.startsWith(base)) return "is outside of the site";
    let target = absolute ? path.slice(base.length) : posix.join(posix.dirname(page), path);
    if (path === "") target = page;
    if (target === "" || target === "." || target.endsWith("/"))
      target = posix.join(target, "index.html");
    const file = join(folder, target);
    if (!existsSync(file) || !statSync(file).isFile()) return "is not there";
    if (anchor && texts.has(target) && !idsOf(target).has(anchor)) return "has no such heading";
    return undefined;
  };
  return [...texts].flatMap(([page, text]) =>
    [
      ...new Set(
        [...text.matchAll(/<(?:a|img|link)\b[^>]*?\s(?:href|src)="([^"]*)"/g)].map(
          ([, link]) => link,
        ),
      ),
    ].flatMap((link) => {
      const why = problem(page, link);
      return why === undefined ? [] : [`${page}: ${link} ${why}`];
    }),
  );
};
