import { withMosquitto } from "../support/needs.js";
import { mosquitto } from "./candidates.js";
import { conversationOver } from "./conversation.js";

withMosquitto("over mosquitto", (run) => conversationOver(mosquitto(run)));
