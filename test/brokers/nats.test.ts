import { withNats } from "../support/needs.js";
import { nats } from "./candidates.js";
import { conversationOver } from "./conversation.js";

withNats("over NATS", (start) => conversationOver(nats(start)));
