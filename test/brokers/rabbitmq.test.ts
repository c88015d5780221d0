import { rabbitmq } from "./candidates.js";
import { conversationOver } from "./conversation.js";

conversationOver(rabbitmq);
