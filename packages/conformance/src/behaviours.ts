import { asyncIo } from "./asyncIo.ts";
import type { Behaviour } from "./Behaviour.ts";
import { channels } from "./channels.ts";
import { controllerDeath } from "./controllerDeath.ts";
import { environment } from "./environment.ts";
import { hangup } from "./hangup.ts";
import { leaks } from "./leaks.ts";
import { memory } from "./memory.ts";
import { namespaces } from "./namespaces.ts";
import { processes } from "./processes.ts";
import { state } from "./state.ts";
import { streams } from "./streams.ts";
import { syscalls } from "./syscalls.ts";

/** All that a right transport does. */
export const behaviours: ReadonlyArray<Behaviour> = [
  ...syscalls,
  ...memory,
  ...asyncIo,
  ...streams,
  ...channels,
  ...processes,
  ...environment,
  ...state,
  ...namespaces,
  ...hangup,
  ...controllerDeath,
  ...leaks,
];
