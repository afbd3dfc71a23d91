/* A program of a user in CommonJS, for its types alone. */
import mocks = require("@rsyscall/mock");
import jest = require("@rsyscall/mock/jest");

export const run = async (): Promise<mocks.Mock> => {
  const m = await jest.mock();
  m.git("push").once().reply("text\n");
  return mocks.mock();
};
