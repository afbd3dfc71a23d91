/** A promise, and what settles it. */
export interface Deferred<A> {
  readonly promise: Promise<A>;
  readonly resolve: (value: A) => void;
  readonly reject: (error: Error) => void;
}

/** As Promise.withResolvers, which Node 20 does not have. */
export const deferred = <A>(): Deferred<A> => {
  let resolve!: (value: A) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<A>((fulfil, fail) => {
    resolve = fulfil;
    reject = fail;
  });
  return { promise, resolve, reject };
};
