/** Problems that a message shows at most. */
const SHOWN = 50;

/** A mock was not called as it must be, or cannot be made. The message says what, and what to do. */
export class MockError extends Error {
  override readonly name = "MockError";
  readonly _tag = "MockError";
  /** What is wrong, one by one. */
  readonly problems: ReadonlyArray<string>;
  /** Of a program that cannot run: the exit status of a shell, 127 if it is not there, 126 if it cannot be executed. */
  readonly status: number | undefined;

  constructor(problems: ReadonlyArray<string>, more = "", status?: number) {
    const hidden = problems.length - SHOWN;
    super(
      [
        ...problems.slice(0, SHOWN),
        ...(hidden > 0 ? [`and ${hidden} more problems`] : []),
        ...(more === "" ? [] : [more]),
      ].join("\n"),
    );
    this.problems = problems;
    this.status = status;
  }
}
