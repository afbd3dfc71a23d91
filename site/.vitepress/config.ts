import { type DefaultTheme, defineConfig } from "vitepress";
import { withManPages } from "../manPages.mjs";

/** Pages in the order in which a reader needs them. tests/docs/site.test.ts finds a page that is not here. */
const page = (text: string, link: string) => ({ text, link: `/${link}` });

const sidebar: DefaultTheme.SidebarItem[] = [
  {
    text: "Getting started",
    items: [
      page("What it is", "what-it-is"),
      page("1. Mock a program", "start-mock"),
      page("2. Drive a process", "start-process"),
      page("3. Go elsewhere", "start-transport"),
      page("Installing", "installing"),
    ],
  },
  {
    text: "Mocking",
    items: [
      page("Overview", "mock/"),
      page("The first mock", "mock/first-mock"),
      page("vitest", "mock/vitest"),
      page("Jest", "mock/jest"),
      page("node:test", "mock/node-test"),
      page("Effect", "mock/effect"),
      page("bats", "mock/bats"),
      page("pytest", "mock/pytest"),
      page("go test", "mock/go-test"),
      page("The real program, recorded", "mock/spying"),
      page("Record and replay", "mock/record-and-replay"),
      page("Absolute paths", "mock/absolute-paths"),
      page("Hermetic tests", "mock/hermetic"),
      page("Coming from other tools", "mock/coming-from"),
      page("Questions", "mock/faq"),
      page("Stub servers", "stub-server"),
      page("The command line", "command-line"),
    ],
  },
  {
    text: "Tasks",
    items: [
      page("Processes and sandboxes", "processes"),
      page("Which processes end", "children"),
      page("Files, sockets, descriptors", "files-and-sockets"),
      page("Containers and hosts", "containers-and-hosts"),
      page("Fleets of hosts", "fleets"),
      page("What a command runs", "watching"),
      page("Policies", "policies"),
      page("Tracing and debugging", "tracing"),
      page("Errors", "errors"),
      page("Security", "security"),
      page("Performance", "performance"),
      page("Benchmarks", "benchmarks"),
    ],
  },
  {
    text: "Low level and extending",
    items: [
      page("Memory", "memory"),
      page("Any system call", "raw-calls"),
      page("System calls", "syscalls"),
      page("Writing a transport", "transports"),
      page("Architecture", "architecture"),
      page("The protocol", "protocol"),
    ],
  },
  {
    text: "More",
    items: [
      page("Comparison", "comparison"),
      page("From Python's rsyscall", "from-python"),
      page("Questions", "faq"),
    ],
  },
];

export default defineConfig({
  title: "rsyscall",
  description: "System calls in any Linux process, from one straight-line TypeScript program",
  base: process.env.DOCS_BASE ?? "/",
  srcDir: "pages",
  outDir: "dist",
  cacheDir: "../.cache/vitepress",
  // build.mjs checks all links, those into the reference too.
  ignoreDeadLinks: true,
  markdown: {
    theme: { light: "github-light", dark: "github-dark" },
    // A code block of a page may have a word behind its language, which tests read.
    config: (md) => {
      const { text } = md.renderer.rules;
      md.renderer.rules.text = (tokens, index, ...rest) => {
        const html =
          text?.(tokens, index, ...rest) ?? md.utils.escapeHtml(tokens[index]?.content ?? "");
        const isInLink = tokens
          .slice(0, index)
          .reduce(
            (depth, { type }) =>
              depth + Number(type === "link_open") - Number(type === "link_close"),
            0,
          );
        return isInLink > 0
          ? html
          : withManPages(html, (shown: string, url: string) => `<a href="${url}">${shown}</a>`);
      };
    },
  },
  themeConfig: {
    sidebar,
    outline: [2, 3],
    search: { provider: "local" },
    nav: [
      { text: "Guide", link: "/what-it-is" },
      { text: "Reference", link: "/api/index.html", target: "_self" },
    ],
    docFooter: { prev: "Before", next: "Next" },
  },
});
