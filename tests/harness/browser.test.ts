import { assert, describe } from "vitest";
import { noBrowser, openBrowser } from "./browser.ts";
import { it } from "./index.ts";

describe("a page in a browser", () => {
  it.skipIf(noBrowser)(
    "has its problems: errors, exceptions, files that are not there",
    function* () {
      const page = yield* openBrowser;
      const html = `<script>console.error("said", 1)</script><script>throw new Error("thrown")</script>
      <script>Promise.reject(new Error("rejected"))</script><img src="http://127.0.0.1:1/image">`;
      yield* page.open(`data:text/html,${encodeURIComponent(html)}`);
      const seen = (text: string) => page.problems.some((problem) => problem.includes(text));
      for (const text of ["said 1", "Error: thrown", "Error: rejected", "http://127.0.0.1:1/image"])
        assert.isTrue(seen(text), `${text} in ${page.problems.join("\n")}`);
    },
  );
});
