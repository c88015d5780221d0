import { aedes } from "./candidates.js";
import { conversationOver } from "./conversation.js";

conversationOver(aedes);
