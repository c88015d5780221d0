import { type Lab, type LabDescription, startLab } from "../../lab/index.js";
import { makeCommand } from "./command.js";
import { Member } from "./member.js";
import { countTraffic } from "./traffic.js";

/** What the network is called. */
export const NETWORK = "demo";

/** Ann is in the open. Carl and Dora are behind NATs between which no direct path is possible. */
const LAB: LabDescription = {
  nats: {
    home: { kind: "port-restricted" },
    mobile: { kind: "port-restricted" },
    hotel: { kind: "symmetric" },
    campus: { kind: "symmetric" },
    office: { kind: "port-restricted" },
  },
  hosts: {
    ann: {},
    ben: { behind: ["home", "mobile"] },
    carl: { behind: "hotel" },
    dora: { behind: "campus" },
    emil: { behind: "office" },
  },
  brokers: 3,
  stun: true,
};

export const NAMES = ["ann", "ben", "carl", "dora", "emil"] as const;

/** The network, and the five hosts in it. */
export interface NetworkStage extends AsyncDisposable {
  readonly lab: Lab;
  readonly members: Readonly<Record<(typeof NAMES)[number], Member>>;
}

/** Builds the network: five hosts that know nothing of each other. */
export async function setNetworkStage(): Promise<NetworkStage> {
  const lab = await startLab(LAB);
  try {
    const command = await makeCommand(lab.folder);
    const member = (name: string): Member => new Member(lab, lab.host(name), command);
    const [ann, ben, carl, dora, emil] = [
      member("ann"),
      member("ben"),
      member("carl"),
      member("dora"),
      member("emil"),
    ];
    await countTraffic(lab);
    return {
      lab,
      members: { ann, ben, carl, dora, emil },
      [Symbol.asyncDispose]: async () => await lab[Symbol.asyncDispose](),
    };
  } catch (error) {
    lab.remove();
    throw error;
  }
}
