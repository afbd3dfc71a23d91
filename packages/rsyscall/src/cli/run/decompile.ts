export interface DecompileOptions {
  readonly out: string | undefined;
  readonly script: string;
  readonly args: ReadonlyArray<string>;
}
export const run = async (_options: DecompileOptions): Promise<number> => 1;
