/** Options at level `SOL.UDP`. See udp(7). */
export const UDP = {
  CORK: 1,
  ENCAP: 100,
  NO_CHECK6_TX: 101,
  NO_CHECK6_RX: 102,
  SEGMENT: 103,
  GRO: 104,
} as const;
