import { type Lab, type LabDescription, makeKeys, startLab } from "../../lab/index.js";
import { makeCommand } from "./command.js";
import { Side } from "./side.js";
import { countTraffic } from "./traffic.js";

/** Ann has two uplinks, each behind a NAT box of its own; Ben has one. Each box lets in only who was spoken to. */
const NETWORK: LabDescription = {
  nats: {
    home: { kind: "port-restricted" },
    mobile: { kind: "port-restricted" },
    office: { kind: "port-restricted" },
  },
  hosts: { ann: { behind: ["home", "mobile"] }, ben: { behind: "office" } },
  brokers: 1,
  stun: true,
};

/** The network, and the two hosts in it. */
export interface Stage extends AsyncDisposable {
  readonly lab: Lab;
  readonly ann: Side;
  readonly ben: Side;
}

/** Builds the network, with WireGuard on both hosts that knows the other's public key and no address. */
export async function setStage(): Promise<Stage> {
  const lab = await startLab(NETWORK);
  try {
    const command = await makeCommand(lab.folder);
    const hosts = [lab.host("ann"), lab.host("ben")] as const;
    const keys = await Promise.all([makeKeys(lab.middle), makeKeys(lab.middle)]);
    const [ann, ben] = await Promise.all([
      makeSide(lab, hosts[0], command, keys[0], keys[1].publicKey, ["10.9.0.1", "10.9.0.2"]),
      makeSide(lab, hosts[1], command, keys[1], keys[0].publicKey, ["10.9.0.2", "10.9.0.1"]),
    ]);
    await countTraffic(lab);
    return { lab, ann, ben, [Symbol.asyncDispose]: async () => await lab[Symbol.asyncDispose]() };
  } catch (error) {
    lab.remove();
    throw error;
  }
}

async function makeSide(
  lab: Lab,
  host: ReturnType<Lab["host"]>,
  command: string,
  { privateKey, publicKey }: { readonly privateKey: string; readonly publicKey: string },
  otherKey: string,
  [own, other]: readonly [string, string],
): Promise<Side> {
  const peers = [{ publicKey: otherKey, allowedIps: [`${other}/32`] }];
  await host.wireguard({ privateKey, address: `${own}/24`, peers });
  return new Side(lab, host, command, publicKey, own);
}
