/** Answers calls in the engine of a mock: see closures.test.ts. */
export default async ({ args, stdin }) => ({
  stdout: `${args}: ${await stdin.text()}`,
  status: 5,
});
