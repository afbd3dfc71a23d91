import { Hello } from "@rsyscall/wire"; import { Ucred, Msghdr } from "@rsyscall/abi";
const b = new Uint8Array(4096); const t = (n, f) => { for (let i = 0; i < 30000; i++) f(); const s = process.hrtime.bigint(); for (let i = 0; i < 100000; i++) f(); console.log(n, Number(process.hrtime.bigint() - s) / 1e5, "ns"); };
t("hello", () => Hello.decode(b)); t("ucred", () => Ucred.decode(b)); t("msghdr", () => Msghdr.decode(b));
t("slice4k", () => b.slice(0, 3500)); const m=Hello.decode(b); t("msgenc", () => Msghdr.decode(b));
