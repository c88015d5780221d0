import { mosquitto } from "./candidates.js";
import { conversationOver } from "./conversation.js";

conversationOver(mosquitto);
