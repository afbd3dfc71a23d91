import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CloneArgs, type FixedCodec } from "@rsyscall/abi";
import { assert, describe, it } from "vitest";
import { run, works } from "../../abi/test/cProgram.ts";
import * as wire from "../src/index.ts";

const stubC = fileURLToPath(new URL("../../../stub-c", import.meta.url));
const include = join(stubC, "include/rsyscall");
const mux = join(stubC, "src/mux");
const headers = [...readdirSync(include).map((name) => `rsyscall/${name}`), "frame.h"];

const reason = works("cc") ? "" : "there is no C compiler";
const title = (text: string) => (reason ? `${text} (skipped: ${reason})` : text);

/** What a header declares. */
interface Declared {
  /** Macros and enumerators with a value. */
  readonly constants: ReadonlyArray<string>;
  readonly structs: ReadonlyMap<string, ReadonlyArray<string>>;
}

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");

const parse = (text: string): Declared => {
  const code = withoutComments(text);
  const bodies = (keyword: string, name: string) =>
    code.matchAll(new RegExp(`^${keyword} ${name} \\{([^}]*)\\};`, "gm"));
  const macros = code.matchAll(/^#define (\w+)[ \t]+\S/gm);
  const enumerators = [...bodies("enum", "(\\w+)")].flatMap(([, , body = ""]) =>
    [...body.matchAll(/(\w+)[^,]*(?:,|$)/g)].map(([, name = ""]) => name),
  );
  const structs = [...bodies("struct", "(\\w+)")].map(([, name = "", body = ""]) => {
    const declarators = body.split(";").flatMap((declaration) => declaration.split(","));
    const fields = declarators.flatMap((it) => /(\w+)(?:\[\w*\])?\s*$/.exec(it)?.[1] ?? []);
    return [name, fields] as const;
  });
  return {
    constants: [...[...macros].map(([, name = ""]) => name), ...enumerators],
    structs: new Map(structs),
  };
};

const texts = headers.map((name) =>
  readFileSync(name === "frame.h" ? join(mux, name) : join(include, "..", name), "utf8"),
);
const declared = parse(texts.join("\n"));

/** The constants of wire, by their names: `NS.PID` is NS_PID. */
const constants = new Map<string, number | string>();
const structs = new Map<string, FixedCodec<unknown> & { offsets: Record<string, number> }>();
for (const [name, value] of Object.entries<unknown>(wire))
  if (typeof value === "number" || typeof value === "string") constants.set(name, value);
  else if (typeof value === "object" && value !== null && "offsets" in value)
    structs.set(name, value as never);
  else if (typeof value === "object" && value !== null)
    for (const [key, member] of Object.entries(value)) constants.set(`${name}_${key}`, member);

/** Names that are not those of C without `RSYSCALL_`. frame.h has its names to itself. */
const renamed: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.keys(wire.FRAME).map((name) => [name, `FRAME_${name}`])),
  HEADER_SIZE: "FRAME_HEADER_SIZE",
  FDS_AT_MOST: "CHANNELS_AT_MOST",
  header: "FrameHeader",
};

/** Those of wire that C says by an expression. */
const derived: Readonly<Record<string, string>> = {
  REQUEST_SIZE: "sizeof(struct rsyscall_request)",
  RESULT_SIZE: "sizeof(rsyscall_perform(0))",
  RING_SIZE: "sizeof(struct rsyscall_ring)",
};

/** Structures of wire that are parts of those of C. */
const parts = ["HelloPrefix", "ChildOutcome"];

const constantOf = (name: string) => renamed[name] ?? name.replace(/^RSYSCALL_/, "");
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => capital(letter));
const structOf = (name: string) => renamed[name] ?? capital(camel(name.replace(/^rsyscall_/, "")));
const codecOf = (name: string) =>
  name === "rsyscall_clone_args" ? CloneArgs : structs.get(structOf(name));

/** What wire lacks of what headers declare. */
const missing = ({ constants: named, structs: laidOut }: Declared): ReadonlyArray<string> => [
  ...named.filter((name) => !constants.has(constantOf(name))),
  ...[...laidOut].flatMap(([name, fields]) => {
    const codec = codecOf(name);
    if (codec === undefined) return [`struct ${name}`];
    // The bytes behind a structure are no field of its codec.
    return fields
      .filter((field) => field !== "message" && !(camel(field) in codec.offsets))
      .map((field) => `${name}.${field}`);
  }),
];

describe("wire has what the headers of stub-c declare", () => {
  it("all of it", () => {
    assert.deepEqual(missing(declared), []);
    // The parser has seen them.
    assert.isAbove(declared.constants.length, 35);
    assert.isAbove(declared.structs.size, 9);
    assert.include(declared.constants, "RSYSCALL_NS_UTS");
    assert.deepEqual(declared.structs.get("open_payload"), ["first", "count", "message"]);
  });

  it("and nothing else", () => {
    const known = new Set([...declared.constants.map(constantOf), ...Object.keys(derived)]);
    assert.deepEqual(
      [...constants.keys()].filter((name) => !known.has(name)),
      [],
    );
    const laidOut = new Set([...[...declared.structs.keys()].map(structOf), ...parts]);
    assert.deepEqual(
      [...structs.keys()].filter((name) => !laidOut.has(name)),
      [],
    );
    for (const [name, fields] of declared.structs)
      assert.sameMembers(
        Object.keys(codecOf(name)?.offsets ?? {}),
        fields.filter((field) => field !== "message").map(camel),
        name,
      );
  });

  it("and misses what is added to them", () => {
    const more = parse(`${texts.join("\n")}
      /* #define RSYSCALL_COMMENTED 1 */
#define RSYSCALL_GUARD_H
#define RSYSCALL_ADDED 0x10u
enum rsyscall_added { RSYSCALL_FIRST, RSYSCALL_SECOND = 4 };
struct rsyscall_added {
	u32 one;
};
struct rsyscall_fd_range {
	u32 first, last;
	u64 added[4];
};
`);
    assert.deepEqual(missing(more), [
      "RSYSCALL_ADDED",
      "RSYSCALL_FIRST",
      "RSYSCALL_SECOND",
      "rsyscall_fd_range.added",
      "struct rsyscall_added",
    ]);
  });

  it.skipIf(reason)(title("with the same values, sizes and offsets"), () => {
    const expressions: Array<[name: string, expression: string, value: number]> = [];
    const expect = (name: string, expression: string, value: unknown) =>
      expressions.push([name, expression, value as number]);
    for (const name of declared.constants)
      if (typeof constants.get(constantOf(name)) === "number")
        expect(name, name, constants.get(constantOf(name)));
    for (const [name, expression] of Object.entries(derived))
      expect(name, expression, constants.get(name));
    for (const [name, fields] of declared.structs) {
      const codec = codecOf(name);
      expect(name, `sizeof(struct ${name})`, codec?.size);
      for (const field of fields) {
        const offsets: Readonly<Record<string, number>> = codec?.offsets ?? {};
        const offset = field === "message" ? codec?.size : offsets[camel(field)];
        expect(`${name}.${field}`, `__builtin_offsetof(struct ${name}, ${field})`, offset);
      }
    }
    const print = ([name, expression]: readonly [string, string, number]) =>
      `printf("${name} %lld\\n", (long long)(${expression}));`;
    const lines = run(
      headers,
      [...expressions.map(print), 'printf("RSYSCALL_MAGIC %s\\n", RSYSCALL_MAGIC);'],
      [`-I${join(stubC, "include")}`, `-I${mux}`],
    );
    assert.deepEqual(lines, [
      ...expressions.map(([name, , value]) => `${name} ${value}`),
      `RSYSCALL_MAGIC ${wire.MAGIC}`,
    ]);
  });
});

describe("parts of structures", () => {
  it("lie where the structures have them", () => {
    const { offsets: hello } = wire.Hello;
    assert.deepInclude(hello, wire.HelloPrefix.offsets);
    assert.equal(wire.HelloPrefix.size, hello.argc);
    const { offsets: child } = wire.Child;
    const { offsets: outcome } = wire.ChildOutcome;
    assert.equal(child.failed + outcome.result, child.result);
    assert.equal(child.failed + wire.ChildOutcome.size, child.ranges);
  });
});
