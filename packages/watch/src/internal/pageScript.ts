/**
 * The script of the page. Only the rows that can be seen are in the document, so the number of processes does not
 * matter. It sets text by `textContent` alone.
 */
export const pageScript = `
"use strict";
(() => {
  const ROW = 20;
  const byId = (id) => document.getElementById(id);
  const report = JSON.parse(byId("report").textContent);
  const { processes } = report;
  const total = Math.max(report.duration, 0.001);

  const children = new Map();
  processes.forEach(({ parent }, i) => {
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(i);
  });
  // Parents before their children, each with its depth.
  const order = [];
  const rest = (children.get(null) || []).map((index) => ({ index, depth: 0 })).reverse();
  while (rest.length > 0) {
    const node = rest.pop();
    order.push(node);
    for (const index of (children.get(node.index) || []).slice().reverse())
      rest.push({ index, depth: node.depth + 1 });
  }

  const nameOf = (process) =>
    process.execs.map(({ argv, path }) => (argv.length > 0 ? argv.join(" ") : path)).join(" \\u2192 ");
  const texts = processes.map((process) =>
    process.execs.map(({ argv, path }) => path + " " + argv.join(" ")).join(" ").toLowerCase());
  const duration = (ms) => ms < 1000 ? ms.toFixed(1) + " ms" : (ms / 1000).toFixed(2) + " s";
  const ending = ({ end, exitStatus, signal }) =>
    end === null ? "still running" : signal !== null ? signal
      : exitStatus === null ? "status unknown" : "exit " + exitStatus;

  const element = (kind, name, text) => {
    const made = document.createElement(kind);
    made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const details = byId("details");
  let open = -1;
  const show = (index) => {
    open = open === index ? -1 : index;
    details.hidden = open < 0;
    if (open >= 0) {
      const process = processes[index];
      const end = process.end === null ? total : process.end;
      const lines = ["pid " + process.pid + ", " + duration(end - process.start) + ", " + ending(process),
        "from " + duration(process.start) + " to " + duration(end)];
      for (const exec of process.execs) {
        lines.push("", exec.path);
        exec.argv.forEach((argument, i) => lines.push("  [" + i + "] " + JSON.stringify(argument)));
        if (exec.isCut) lines.push("  ...");
        if (exec.denied !== null) lines.push("  denied: " + exec.denied.errno + " " + (exec.denied.message || ""));
      }
      details.textContent = lines.join("\\n");
    }
    draw();
  };

  const rows = byId("rows");
  let found = order;
  const rowOf = ({ index, depth }, at) => {
    const process = processes[index];
    const row = element("div", index === open ? "row open" : "row");
    row.style.top = at * ROW + "px";
    const name = element("div", "name", nameOf(process));
    name.style.paddingLeft = Math.min(depth, 30) * 12 + 8 + "px";
    const time = element("div", "time");
    const isDenied = process.execs.some(({ denied }) => denied !== null);
    const isBad = process.signal !== null || (process.exitStatus !== null && process.exitStatus !== 0);
    const bar = element("div", "bar" + (isDenied ? " denied" : isBad ? " bad" : ""));
    const end = process.end === null ? total : process.end;
    bar.style.left = (100 * process.start) / total + "%";
    bar.style.width = (100 * Math.max(0, end - process.start)) / total + "%";
    bar.title = duration(end - process.start) + ", " + ending(process);
    time.append(bar);
    row.append(name, time);
    row.addEventListener("click", () => show(index));
    return row;
  };
  const draw = () => {
    const top = Math.max(0, window.scrollY - rows.offsetTop);
    const first = Math.max(0, Math.floor(top / ROW) - 20);
    const last = Math.min(found.length, Math.ceil((top + window.innerHeight) / ROW) + 20);
    rows.style.height = found.length * ROW + "px";
    const made = [];
    for (let i = first; i < last; i++) made.push(rowOf(found[i], i));
    rows.replaceChildren(...made);
  };

  const search = byId("search");
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    found = wanted === "" ? order : order.filter(({ index }) => texts[index].includes(wanted));
    const all = processes.length + (report.dropped > 0 ? " (and " + report.dropped + " not recorded)" : "");
    byId("count").textContent =
      (found.length === processes.length ? "" : found.length + " of ") + all + " processes, " + duration(report.duration);
    draw();
  };
  search.addEventListener("input", filter);
  window.addEventListener("scroll", draw, { passive: true });
  window.addEventListener("resize", draw);
  filter();
})();
`;
