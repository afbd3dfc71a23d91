/** The addon or an executable of this package cannot be used. The message names the file, the cause and the remedy. */
export class NativeLoadError extends Error {
  override readonly name = "NativeLoadError";
}

/**
 * Why the addon must not be loaded in a runtime, by its `process.versions`; undefined in Node. Bun crashes at the first
 * descriptor that is watched (it has no uv_poll), and Deno at the first child.
 */
export const unsupportedRuntime = (
  versions: Readonly<Record<string, string | undefined>>,
): string | undefined => {
  for (const [key, name] of [
    ["bun", "Bun"],
    ["deno", "Deno"],
  ] as const)
    if (versions[key] !== undefined)
      return `this is ${name} ${versions[key]}, and the addon needs the event loop and the process of Node (libuv's uv_poll, children in its memory), without which it would crash: run this program with Node 20.19 or newer`;
  return undefined;
};
