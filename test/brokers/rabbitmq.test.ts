import { withRabbitmq } from "../support/needs.js";
import { rabbitmq } from "./candidates.js";
import { conversationOver } from "./conversation.js";

withRabbitmq("over RabbitMQ", (start) => conversationOver(rabbitmq(start)));
