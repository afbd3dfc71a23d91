/* Needs TypeScript 5.2 and the library esnext.disposable. */
import { mock } from "@rsyscall/mock";

export const run = async (): Promise<void> => {
  await using m = await mock();
  m.git("push");
};
