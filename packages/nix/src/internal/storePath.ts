/**
 * A directory, which is another than `/nix/store` where NIX_STORE_DIR says so; 32 digits in Nix's base 32; and a
 * name.
 */
const storePath = /^(?:\/[\w+-][\w+.-]*)+\/[0-9a-df-np-sv-z]{32}-[\w+.?=-]{1,211}$/;

/** Whether text is a store path, in full, and nothing else. */
export const isStorePath = (text: string): boolean => text.length < 4096 && storePath.test(text);
