import { type FixedCodec, reserved, struct, Uint8, Uint16, Uint32 } from "../Codec.ts";
import { AF } from "../sys/socket.ts";

/** Context identifiers of vsock(7): which machine. `ANY` binds to all. */
export const VMADDR_CID = { HYPERVISOR: 0, LOCAL: 1, HOST: 2, ANY: 0xffff_ffff } as const;

/** The port that lets bind(2) of vsock(7) choose one. */
export const VMADDR_PORT_ANY = 0xffff_ffff;

/** `struct sockaddr_vm`: an address between virtual machines and their host. See vsock(7). */
export interface SockaddrVm {
  /** The machine: a number, or one of {@link VMADDR_CID}. */
  readonly cid: number;
  /** The port, of 32 bits. */
  readonly port: number;
  /** VMADDR_FLAG_TO_HOST (1) sends all packets to the host. Default: 0. */
  readonly flags?: number;
}

const layout = struct("struct sockaddr_vm", {
  family: Uint16,
  reserved1: reserved(2, 2),
  port: Uint32,
  cid: Uint32,
  flags: Uint8,
  zero: reserved(3),
});

/** See {@link SockaddrVm}; 16 bytes. */
export const SockaddrVm: FixedCodec<SockaddrVm> = {
  ...layout,
  encode: ({ cid, port, flags = 0 }, into) =>
    layout.encode({ family: AF.VSOCK, cid, port, flags }, into),
  decode: (bytes) => {
    const { cid, port, flags } = layout.decode(bytes);
    return { cid, port, flags };
  },
};

/** Options of vsock(7), at level `AF.VSOCK`. */
export const SO_VM_SOCKETS = {
  BUFFER_SIZE: 0,
  BUFFER_MIN_SIZE: 1,
  BUFFER_MAX_SIZE: 2,
  PEER_HOST_VM_ID: 3,
  TRUSTED: 5,
  CONNECT_TIMEOUT: 6,
  NONBLOCK_TXRX: 7,
} as const;

/** The request of ioctl(2) on /dev/vsock that tells the number of this machine. */
export const IOCTL_VM_SOCKETS_GET_LOCAL_CID = 0x7b9;
