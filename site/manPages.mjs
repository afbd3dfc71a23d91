/* Links to man pages. Text says `memfd_create(2)`; the site and the reference make a link of it. */

/** Programs and interfaces of this text that man7.org has no page of. */
const absent = new Set(["nix-store", "nix-hash", "strerror_r"]);

const mention = /(?<![\w[/])([a-z_][\w+-]*)\(([1-8])\)(?![\w\]])/g;

/** The address of a man page. */
export const manPage = (name, section) =>
  `https://man7.org/linux/man-pages/man${section}/${name}.${section}.html`;

/** Replaces each mention of a man page by what `link` makes of its text and its address. */
export const withManPages = (text, link) =>
  text.replace(mention, (whole, name, section) =>
    absent.has(name) ? whole : link(whole, manPage(name, section)),
  );
