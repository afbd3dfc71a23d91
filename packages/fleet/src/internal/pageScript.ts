/**
 * The script of the page. It asks for the state twice a second while the page can be seen, and sets text by
 * `textContent` alone.
 */
export const pageScript = `
"use strict";
(() => {
  const PERIOD = 500;
  const byId = (id) => document.getElementById(id);
  const element = (kind, name, ...content) => {
    const made = document.createElement(kind);
    made.className = name;
    made.append(...content);
    return made;
  };
  const cell = (content, name) => element("td", name || "", content);
  const table = (heads, rows) => {
    const head = element("tr", "", ...heads.map((text) => element("th", "", text)));
    return element("table", "", element("thead", "", head), element("tbody", "", ...rows));
  };
  const note = (text) => element("p", "note", text);
  const duration = (ms) => {
    const seconds = Math.floor(ms / 1000);
    if (seconds < 60) return seconds + " s";
    if (seconds < 3600) return Math.floor(seconds / 60) + " min";
    return Math.floor(seconds / 3600) + " h " + Math.floor(seconds / 60) % 60 + " min";
  };
  const kinds = ["done", "running", "failed", "skipped", "pending"];
  const bar = (counts) => {
    const made = element("div", "bar");
    for (const kind of kinds) {
      if (counts[kind] === 0 || kind === "pending") continue;
      const part = element("div", kind);
      part.style.width = (100 * counts[kind]) / counts.all + "%";
      made.append(part);
    }
    made.title = told(counts);
    return made;
  };
  const told = (counts) =>
    kinds.filter((kind) => counts[kind] > 0).map((kind) => counts[kind] + " " + kind).join(", ")
      + " of " + counts.all;
  const stateText = ({ state, batch, problem }) => {
    if (state === "Running") return "works on batch " + batch;
    if (state === "WaitsForApproval") return "waits for the approval of batch " + batch;
    return problem === "" ? "ended" : "ended: " + problem;
  };
  const stateClass = ({ state, problem }) =>
    state === "Running" ? "running" : state === "WaitsForApproval" ? "waits" : problem === "" ? "" : "bad";

  let opened = null;
  const isOpened = (key) => opened !== null && opened[0] === key[0] && opened[1] === key[1];

  const drawRollouts = ({ shown, more }) => {
    const rows = shown.map((rollout) => {
      const button = element("button", "", rollout.name + " " + rollout.id);
      button.id = "rollout " + JSON.stringify(rollout.key);
      button.addEventListener("click", () => {
        opened = isOpened(rollout.key) ? null : rollout.key;
        ask();
      });
      const made = element("tr", isOpened(rollout.key) ? "open" : "",
        cell(button), cell(stateText(rollout), stateClass(rollout)),
        cell(bar(rollout.counts)), cell(told(rollout.counts)), cell(duration(rollout.took)));
      return made;
    });
    const focused = document.activeElement.id;
    byId("rollouts").replaceChildren(
      shown.length === 0 ? note("none") : table(["rollout", "state", "", "hosts", "time"], rows),
      ...(more ? [note("and older ones")] : []));
    if (focused !== "") byId(focused)?.focus();
  };
  const counted = ({ all, found, shown }) =>
    shown.length === all ? [] : [note("shown are " + shown.length + " of " + found + " that were found, of "
      + all + ": search for others")];
  const drawRollout = (rollout) => {
    const section = byId("rollout");
    section.hidden = rollout === null;
    if (rollout === null) return section.replaceChildren();
    const { batches, hosts } = rollout;
    section.replaceChildren(
      element("h2", "", rollout.name + " " + rollout.id),
      table(["batch", "", "hosts"], batches.shown.map(({ batch, counts }) =>
        element("tr", batch === rollout.batch ? "open" : "", cell(String(batch)), cell(bar(counts)), cell(told(counts))))),
      ...(batches.shown.length === batches.all ? [] : [note(batches.all + " batches")]),
      table(["host", "batch", "state", "step", "error"], hosts.shown.map((host) =>
        element("tr", "", cell(host.host), cell(String(host.batch)), cell(host.status, host.status), cell(host.step),
          cell(host.error === "" ? "" : host.error + ": " + host.detail)))),
      ...counted(hosts));
  };
  const drawRunners = (runners) => {
    byId("runners").replaceChildren(
      table(["process", "state", "open hosts", "opening", "failed", "lost", "programs"], runners.map((runner) =>
        element("tr", "", cell(runner.address),
          cell(runner.healthy ? "healthy" : "out of reach", runner.healthy ? "" : "bad"),
          ...["open", "opening", "failed", "lost", "programs"].map((kind) => cell(String(runner[kind])))))));
  };
  const drawHosts = (hosts) => {
    const rows = hosts.shown.map((host) =>
      element("tr", "", cell(host.host), cell(host.runner), cell(host.state, host.state),
        cell(duration(host.since)),
        cell(host.state === "failed" ? host.detail
          : host.programs.map(({ program, since }) => program + " (" + duration(since) + ")").join(", "))));
    byId("hosts").replaceChildren(
      hosts.all === 0 ? note("none is open") : table(["host", "process", "state", "since", "what runs, or why not"], rows),
      ...counted(hosts));
  };
  /** What is drawn. Nothing is drawn anew without need: a selection stays, and a click arrives. */
  const drawn = new Map();
  const draw = (state) => {
    byId("problem").textContent = state.problem || "";
    const sections = { rollouts: drawRollouts, rollout: drawRollout, runners: drawRunners, hosts: drawHosts };
    for (const [name, section] of Object.entries(sections)) {
      // A row of the rollouts is marked as the open one.
      const text = JSON.stringify(state[name]) + (name === "rollouts" ? JSON.stringify(opened) : "");
      if (drawn.get(name) !== text) section(state[name]);
      drawn.set(name, text);
    }
  };

  const search = byId("search");
  let timer;
  /** Only the last question is answered. */
  let asked = 0;
  const ask = async () => {
    clearTimeout(timer);
    const mine = ++asked;
    const query = new URLSearchParams(location.search);
    query.set("search", search.value);
    if (opened !== null) {
      query.set("name", opened[0]);
      query.set("id", opened[1]);
    }
    try {
      const answer = await fetch("state.json?" + query, { cache: "no-store" });
      if (!answer.ok) throw new Error(await answer.text());
      const text = await answer.text();
      if (mine !== asked) return;
      draw(JSON.parse(text));
    } catch (error) {
      if (mine !== asked) return;
      byId("problem").textContent = "the process that serves this page does not answer: " + error.message;
    }
    if (!document.hidden) timer = setTimeout(ask, PERIOD);
  };
  search.addEventListener("input", ask);
  document.addEventListener("visibilitychange", () => document.hidden || ask());
  ask();
})();
`;
