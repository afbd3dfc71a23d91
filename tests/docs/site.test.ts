import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { describeUnless, it } from "@rsyscall/harness";
import { noBrowser, openBrowser } from "@rsyscall/harness/browser";
import { Effect, type Scope } from "effect";
import { assert, describe, test } from "vitest";
import { docExamples } from "./docExamples.ts";
import { filesBelow, root } from "./files.ts";

/*
 * The site is built by `npm run docs`, which .ci/run calls: it fails if a symbol has no comment or a link is broken.
 * These tests see what can be seen without a build, and open the site that was built last.
 */

const config = readFileSync(join(root, "site/.vitepress/config.ts"), "utf8");
const linked = [...config.matchAll(/page\("[^"]*", "([^"]*)"\)/g)].map(([, link = ""]) => link);

/** Its file; the architecture is that of the repository. */
const fileOf = (link: string): string => {
  if (link === "architecture") return "ARCHITECTURE.md";
  return link.endsWith("/") ? `docs/${link}README.md` : `docs/${link}.md`;
};

describe("the sidebar of the site", () => {
  test("has every page of docs/", () => {
    const pages = filesBelow("docs").filter(
      (path) => path.endsWith(".md") && path !== "docs/index.md",
    );
    assert.deepEqual(
      pages.filter((path) => !linked.map(fileOf).includes(path)),
      [],
    );
  });

  test("has no page that is not there", () => {
    assert.deepEqual(
      linked.filter((link) => !existsSync(join(root, fileOf(link)))),
      [],
    );
  });
});

const built = join(root, "site/dist");

const notBuilt = existsSync(join(built, "index.html"))
  ? undefined
  : "npm run docs has not built the site";

const types: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
};

/** Serves the site on a free port of this host, and gives its address. */
const served: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(async () => {
    const server = createServer(({ url = "/" }, response) => {
      const { pathname } = new URL(url, "http://localhost");
      const file = join(built, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
      if (existsSync(file)) {
        response.setHeader("content-type", types[extname(file)] ?? "application/octet-stream");
        response.end(readFileSync(file));
      } else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return server;
  }),
  (server) =>
    Effect.promise(
      () =>
        new Promise((resolve) => {
          server.close(resolve);
          server.closeAllConnections();
        }),
    ),
).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`));

describeUnless(noBrowser ?? notBuilt, "the site in a browser", () => {
  it("shows every page of the guide, whose samples are those that tests run", function* () {
    const address = yield* served;
    const page = yield* openBrowser;
    yield* page.open(`${address}/`);
    yield* page.open(`${address}/what-it-is.html`);
    for (const link of linked) {
      const [, heading = ""] =
        /^# (.*)$/m.exec(readFileSync(join(root, fileOf(link)), "utf8")) ?? [];
      const target = `/${link}${link.endsWith("/") ? "" : ".html"}`;
      yield* page.evaluate(`document.querySelector('.VPSidebar a[href="${target}"]').click()`);
      yield* page.until(
        `document.querySelector("h1")?.innerText.startsWith(${JSON.stringify(heading.replaceAll("`", ""))})`,
      );
      const shown = yield* page.evaluate(
        '[...document.querySelectorAll("div.language-ts code")].map((code) => code.textContent.trim())',
      );
      const tested = docExamples.filter(({ path }) => path === fileOf(link));
      assert.deepEqual(
        shown,
        tested.map(({ code }) => code.trim()),
        link,
      );
    }
    assert.deepEqual(page.problems, []);
  }, 60_000);

  it("leads from the home page to the guide and to the reference", function* () {
    const address = yield* served;
    const page = yield* openBrowser;
    yield* page.open(`${address}/`);
    yield* page.click('.VPHero a[href$="/start-mock.html"], .VPHero a[href$="/start-mock"]');
    yield* page.until('document.querySelector("h1")?.innerText.includes("Mock a program")');
    yield* page.open(`${address}/api/index.html`);
    yield* page.until('document.querySelector("#tsd-nav-container a")');
    yield* page.click('a[href$="modules/_rsyscall_mock.html"]');
    yield* page.until('document.querySelector("h1")?.innerText.includes("@rsyscall/mock")');
    assert.deepEqual(page.problems, []);
  });

  it("finds memfd", function* () {
    const address = yield* served;
    const page = yield* openBrowser;
    yield* page.open(`${address}/what-it-is.html`);
    yield* page.click("#local-search button");
    yield* page.until('document.activeElement?.id === "localsearch-input"');
    yield* page.type("memfd");
    yield* page.until('document.querySelector(".results .result")');
    const found = yield* page.evaluate<ReadonlyArray<string>>(
      '[...document.querySelectorAll(".results .result")].map((result) => result.href)',
    );
    assert.isNotEmpty(found);
    // A result is a page that has the word.
    yield* page.click(".results .result");
    yield* page.until(
      'document.querySelector(".vp-doc")?.innerText.toLowerCase().includes("memfd")',
    );
    assert.deepEqual(page.problems, []);
  });
});
