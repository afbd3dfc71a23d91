import { createHash } from "node:crypto";
import { pageScript } from "./internal/pageScript.ts";

const style = `
:root { color-scheme: light dark; --line: #8884; --done: #3a9a5c; --running: #4a90d9; --failed: #d9534a; --skipped: #c79a00; --pending: #8886; }
body { font: 13px/1.4 system-ui, sans-serif; margin: 0; }
header { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .3em 1em; align-items: baseline; padding: .6em 1em; background: Canvas; border-bottom: 1px solid var(--line); }
h1 { font-size: 1.1em; margin: 0; }
h2 { font-size: 1em; margin: 1.2em 0 .3em; }
main { padding: 0 1em 2em; }
input { font: inherit; width: min(30em, 50%); }
#problem { color: var(--failed); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: normal; opacity: .7; }
td, th { padding: .15em .8em .15em 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td:first-child { font-family: ui-monospace, monospace; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; text-align: left; text-decoration: underline; cursor: pointer; overflow-wrap: anywhere; }
tr.open { background: #8882; }
.bar { display: flex; min-width: 8em; height: 12px; margin-top: 3px; background: var(--pending); border-radius: 2px; overflow: hidden; }
.bar div { height: 100%; min-width: 1px; }
.bar .done { background: var(--done); } .bar .running { background: var(--running); }
.bar .failed { background: var(--failed); } .bar .skipped { background: var(--skipped); }
.failed, .lost, .bad { color: var(--failed); } .running, .opening { color: var(--running); } .skipped, .waits { color: var(--skipped); }
.note { opacity: .7; }
`;

/** A source for a Content-Security-Policy: this text and no other. */
const hashed = (text: string): string =>
  `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** What the page may do: what is in it, and to ask for its state. */
export const pagePolicy = [
  "default-src 'none'",
  `style-src ${hashed(style)}`,
  `script-src ${hashed(pageScript)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * The page of a fleet. It needs nothing but itself and `state.json`, and is the same for all fleets: what it shows comes
 * from there, and is only ever text in it.
 */
export const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>rsyscall fleet</title>
<style>${style}</style>
<header>
<h1>rsyscall fleet</h1>
<input id="search" type="search" placeholder="search in hosts, processes, programs, steps" aria-label="search">
<span id="problem" role="status"></span>
</header>
<main>
<h2>Rollouts</h2>
<div id="rollouts"></div>
<section id="rollout" hidden></section>
<h2>Processes</h2>
<div id="runners"></div>
<h2>Hosts</h2>
<div id="hosts"></div>
</main>
<noscript>This page needs its script. The same is in state.json.</noscript>
<script>${pageScript}</script>
</html>
`;
