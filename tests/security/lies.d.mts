/** One row of the table of lies. */
export interface Lie {
  /** What the controller does with the liar: a name of uses.mjs. */
  readonly use?: string;
  /** What must come of that. */
  readonly outcome?: RegExp;
  /** What must be logged when the client is dropped before anything can be done with it. */
  readonly dropped?: RegExp;
}

export declare const lies: Readonly<Record<string, Lie>>;
