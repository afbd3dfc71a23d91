import { execFile, spawnSync } from "node:child_process";
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { promisify } from "node:util";

const browsers = ["chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"];

const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** Serves a folder on a free port of this host. */
const serve = (folder, base) =>
  new Promise((resolve) => {
    const server = createServer(({ url = "/" }, response) => {
      const { pathname } = new URL(url, "http://localhost");
      const path = normalize(`/${decodeURIComponent(pathname).slice(base.length)}`);
      const file = join(folder, path.endsWith("/") ? `${path}index.html` : path);
      const isThere = existsSync(file) && statSync(file).isFile();
      response.writeHead(isThere ? 200 : 404, {
        "content-type": types[extname(file)] ?? "application/octet-stream",
      });
      if (isThere) createReadStream(file).pipe(response);
      else response.end();
    });
    server.listen(0, "127.0.0.1", () => resolve(server));
  });

/**
 * Opens pages in a headless Chromium.
 *
 * @param folder where the site is
 * @param base the path by which it is served
 * @returns what the console says that is an error, or why the pages were not opened
 */
export const browserProblems = async (folder, base) => {
  const browser = browsers.find(
    (name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0,
  );
  if (browser === undefined)
    return {
      problems: [],
      skipped: `pages in a headless browser: there is no ${browsers.join(", ")}`,
    };
  const server = await serve(folder, base);
  const problems = [];
  for (const page of ["index.html", "start-mock.html", "transports.html", "api/index.html"]) {
    const url = `http://127.0.0.1:${server.address().port}${base}${page}`;
    const options = [
      "--headless",
      "--no-sandbox",
      "--enable-logging=stderr",
      "--virtual-time-budget=5000",
      "--dump-dom",
    ];
    const { stdout, stderr } = await promisify(execFile)(browser, [...options, url], {
      maxBuffer: 2 ** 26,
      timeout: 60_000,
    });
    for (const line of stderr.split("\n"))
      if (/CONSOLE.*(error|Uncaught|Failed)/i.test(line)) problems.push(`${page}: ${line}`);
    if (!/<h1/.test(stdout)) problems.push(`${page} has no heading in the browser`);
  }
  server.close();
  return { problems, skipped: undefined };
};
