import { nats } from "./candidates.js";
import { conversationOver } from "./conversation.js";

conversationOver(nats);
