import { pageScript } from "./internal/pageScript.ts";
import type { Report } from "./Report.ts";
import { shellWords, treeText } from "./text.ts";

/** Text in HTML. */
const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** JSON in a script: nothing in it ends the script or begins a comment. */
const embedded = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

const style = `
:root { color-scheme: light dark; --line: #8884; --run: #4a90d9; --bad: #d9534a; --denied: #c79a00; }
body { font: 13px/1.4 system-ui, sans-serif; margin: 0; }
header { position: sticky; top: 0; z-index: 1; padding: .6em 1em; background: Canvas; border-bottom: 1px solid var(--line); }
h1 { font-size: 1.1em; margin: 0 0 .3em; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
input { font: inherit; width: min(40em, 60%); }
#rows { position: relative; }
.row { position: absolute; left: 0; right: 0; height: 20px; display: flex; white-space: nowrap; cursor: pointer; }
.row:hover, .row.open { background: #8882; }
.name { width: 45%; overflow: hidden; text-overflow: ellipsis; font-family: ui-monospace, monospace; box-sizing: border-box; }
.time { position: relative; flex: 1; border-left: 1px solid var(--line); }
.bar { position: absolute; top: 3px; height: 14px; min-width: 2px; background: var(--run); border-radius: 2px; }
.bar.bad { background: var(--bad); }
.bar.denied { background: var(--denied); }
#details { position: fixed; right: 0; bottom: 0; max-width: 60%; max-height: 60%; overflow: auto; margin: 0; padding: .8em 1em; background: Canvas; border: 1px solid var(--line); white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, monospace; }
`;

/**
 * A report as one page of HTML: a line and a bar of time for each process, a field to search in, and all arguments of
 * the process that is clicked. It needs nothing but itself, and loads nothing. What programs have said is only ever
 * text in it.
 */
export const pageOf = (report: Report): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>${escaped(shellWords(report.command).slice(0, 200))} - rsyscall watch</title>
<style>${style}</style>
<header>
<h1>${escaped(shellWords(report.command).slice(0, 2000))}</h1>
<input id="search" type="search" placeholder="search in programs and arguments" aria-label="search">
<span id="count"></span>
</header>
<main id="rows"></main>
<pre id="details" hidden></pre>
<noscript><pre>${escaped(treeText(report))}</pre></noscript>
<script type="application/json" id="report">${embedded(report)}</script>
<script>${pageScript}</script>
</html>
`;
