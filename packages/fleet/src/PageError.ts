import { printable, TaggedError } from "@rsyscall/near";

/** The page of a fleet cannot be served at this place. */
export class PageError extends TaggedError("PageError")<{
  readonly host: string;
  readonly port: number;
  readonly cause: NodeJS.ErrnoException;
}> {
  override get message(): string {
    const { host, port, cause } = this;
    const remedy =
      cause.code === "EADDRINUSE"
        ? "another program listens there: choose another port, or 0 for a free one"
        : cause.code === "EACCES"
          ? "only root may listen at ports below 1024: choose another port, or 0 for a free one"
          : "choose an address of this machine";
    return `cannot serve the page at ${printable(host)} port ${port}: ${cause.code ?? cause.message}: ${remedy}`;
  }
}
