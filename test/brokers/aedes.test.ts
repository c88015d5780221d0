import { describe } from "vitest";
import { aedes } from "./candidates.js";
import { conversationOver } from "./conversation.js";

describe("over aedes", () => conversationOver(aedes));
