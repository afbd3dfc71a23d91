/** The addon or an executable of this package cannot be used. The message names the file, the cause and the remedy. */
export class NativeLoadError extends Error {
  override readonly name = "NativeLoadError";
}

/**
 * Why the addon must not be loaded in a runtime, by its `process.versions`; undefined in Node. Bun would crash at the
 * first descriptor that is watched: its uv_poll_init ends the process. Deno has no libuv, and its node:fs takes no
 * descriptors that others have opened.
 */
export const unsupportedRuntime = (
  versions: Readonly<Record<string, string | undefined>>,
): string | undefined => {
  for (const [key, name] of [
    ["bun", "Bun"],
    ["deno", "Deno"],
  ] as const)
    if (versions[key] !== undefined)
      return `this is ${name} ${versions[key]}, and the addon needs the event loop and the descriptors of Node (libuv's uv_poll, node:fs on any descriptor), without which it would crash: run this program with Node 20.19 or newer`;
  return undefined;
};
