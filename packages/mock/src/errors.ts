/** A mock was not called as it must be, or cannot be made. The message says what, and what to do. */
export class MockError extends Error {
  override readonly name = "MockError";
  readonly _tag = "MockError";
  /** What is wrong, one by one. */
  readonly problems: ReadonlyArray<string>;

  constructor(problems: ReadonlyArray<string>, more = "") {
    super([...problems, ...(more === "" ? [] : [more])].join("\n"));
    this.problems = problems;
  }
}
